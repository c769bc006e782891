# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2207
# Made by: patchbay help --complete
_patchbay()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local i verb='' first='' words=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		''|-o|--output|--run-dir|--bpffs|--name|--ip|--tag|--egress|--local|--mode|--user|--limit|--dev|--vip|--dsr|--app|--last|--proto|--node|--address|--port|--key|--ca-key|--allow|--days|--id|--out|--wait|--backend|--gutter|--source|--hash|--dialect|--key-hash|--hash-tag|--tcp|--writers|--cache|--cache-unsafe-ttl|--admit|--max-age|--rate|--failover|--probe-interval|--probe-timeout|--probe-threshold|--sort) ((i++)) ;;
		--)
			[[ $verb == run ]] && { COMPREPLY=($(compgen -c -- "$cur")); return; }
			;;
		-*) ;;
		*) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else first=1; fi ;;
		esac
	done
	case $prev in
	-o) words="text json" ;;
	--output) words="text json" ;;
	--local) words="allow deny" ;;
	--mode) words="enforce audit off" ;;
	--mode) words="xdp tc" ;;
	--dsr) words="nat l2" ;;
	--proto) words="tcp udp" ;;
	--dsr) words="nat l2" ;;
	--hash) words="maglev ketama" ;;
	--tcp) words="on off" ;;
	--writers) words="any switch" ;;
	--failover) words="on off" ;;
	--sort) words="requests bytes" ;;
	--run-dir|--bpffs) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	--user) COMPREPLY=($(compgen -u -- "$cur")); return ;;
	esac
	if [[ -n $words ]]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		return
	fi
	case $verb in
	'') words="run apps services endpoints flows status doctor events why check policy reload release config detach nodes cluster keys drain memcached version help" ;;
	run) words=" --name --ip --tag --egress --local --mode --splice --splice=on --splice=all --splice=off --user --keep-fds --no-wait --allow-raw" ;;
	apps) words="" ;;
	services) words="" ;;
	endpoints) words="" ;;
	flows) words=" --spliced --limit" ;;
	status) words="" ;;
	doctor) words=" --dev --mode --vip --dsr" ;;
	events) words=" --follow --app --refused --last" ;;
	why) words="" ;;
	check) words=" --proto" ;;
	policy) words="" ;;
	reload) words="" ;;
	release) words="" ;;
	config) words=""; [[ -z $first ]] && words+=" check show" ;;
	detach) words=" --all --yes --force" ;;
	nodes) words="" ;;
	cluster) words=" --name --node --address --port --insecure --key --ca-key --allow --days --id --out"; [[ -z $first ]] && words+=" init join token leave ca" ;;
	keys) words=" --force"; [[ -z $first ]] && words+=" list gen install use remove" ;;
	drain) words=" --node --app --undo --wait" ;;
	memcached) words=" --vip --backend --gutter --dev --tag --dsr --source --hash --dialect --key-hash --hash-tag --tcp --writers --cache --cache-unsafe-ttl --admit --max-age --allow --rate --failover --probe-interval --probe-timeout --probe-threshold --undo --sort --limit"; [[ -z $first ]] && words+=" show add set drain remove stats top verify-ring" ;;
	version) words="" ;;
	help) words=" --man --complete" ;;
	esac
	words+=" --output --json --run-dir --bpffs --help --version"
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _patchbay patchbay
