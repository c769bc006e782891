# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2207
# Made by: patchbay help --complete
_patchbay()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local i verb='' first='' words=''
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		''|-o|--output|--run-dir|--bpffs|--name|--ip|--tag|--egress|--local|--mode|--user|--limit|--app|--last|--proto|--node|--address|--port|--wait) ((i++)) ;;
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
	--proto) words="tcp udp" ;;
	--run-dir|--bpffs) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	--user) COMPREPLY=($(compgen -u -- "$cur")); return ;;
	esac
	if [[ -n $words ]]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
		return
	fi
	case $verb in
	'') words="run apps services endpoints flows status doctor events why check policy reload release config detach nodes cluster keys drain version help" ;;
	run) words=" --name --ip --tag --egress --local --mode --splice --splice=on --splice=all --splice=off --user --keep-fds --allow-raw" ;;
	apps) words="" ;;
	services) words="" ;;
	endpoints) words="" ;;
	flows) words=" --spliced --limit" ;;
	status) words="" ;;
	doctor) words="" ;;
	events) words=" --follow --app --refused --last" ;;
	why) words="" ;;
	check) words=" --proto" ;;
	policy) words="" ;;
	reload) words="" ;;
	release) words="" ;;
	config) words=""; [[ -z $first ]] && words+=" check show" ;;
	detach) words=" --all --yes --force" ;;
	nodes) words="" ;;
	cluster) words=" --name --node --address --port --insecure"; [[ -z $first ]] && words+=" init join token leave" ;;
	keys) words=" --force"; [[ -z $first ]] && words+=" list gen install use remove" ;;
	drain) words=" --node --app --undo --wait" ;;
	version) words="" ;;
	help) words=" --man --complete" ;;
	esac
	words+=" --output --json --run-dir --bpffs --help --version"
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _patchbay patchbay
