/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table.  Help, manual page, completion and parsing come from here. */
#include "cli.h"

/* clang-format off */
const struct cli_opt cli_globals[] = {
	{ "output", 'o', false, "FORMAT", "text json", "print text or JSON" },
	{ "json", 0, false, NULL, NULL, "the same as -o json" },
	{ "run-dir", 0, false, "DIR", NULL, "folder of control.sock (default: $PATCHBAY_RUN_DIR or /run/patchbay)" },
	{ "bpffs", 0, false, "DIR", NULL, "mount point of the bpffs (default: $PATCHBAY_BPFFS or /sys/fs/bpf)" },
	{ "help", 'h', false, NULL, NULL, "print help" },
	{ "version", 0, false, NULL, NULL, "print the version" },
	{ 0 },
};

static const struct cli_opt run_opts[] = {
	{ "name", 0, false, "NAME", NULL, "name of the application; without one the program is a client only" },
	{ "ip", 0, CLI_MANY, "ADDR", NULL, "virtual address, at most one of each family (default: from the pool)" },
	{ "tag", 0, CLI_MANY, "KEY=VALUE", NULL, "tag; programs that share a grp tag reach each other" },
	{ "egress", 0, false, "LIST", NULL, "what it reaches outside: all, none, or CIDR[:PORT],... (default: all)" },
	{ "local", 0, false, "WORD", "allow deny", "may it use unmanaged services on loopback (default: allow)" },
	{ "mode", 0, false, "MODE", "enforce audit off", "policy mode; the laxer of this and the global one holds" },
	{ "splice", 0, CLI_BARE, "on", "on all off", "local connections bypass the TCP stack where the other end agrees: of sockets that do not block, or of all (default: as configured)" },
	{ "user", 0, false, "USER", NULL, "run as this user (root only)" },
	{ "keep-fds", 0, false, NULL, NULL, "pass on network sockets that are already open" },
	{ "no-wait", 0, false, NULL, NULL, "start at once, not when the other nodes of the cluster know of it (0.2 s at most)" },
	{ "allow-raw", 0, false, NULL, NULL, "keep CAP_NET_RAW and every socket family (root only)" },
	{ 0 },
};

static const struct cli_opt flows_opts[] = {
	{ "spliced", 0, false, NULL, NULL, "only connections of which a direction is spliced" },
	{ "limit", 0, false, "N", NULL, "at most N connections (default: 1000, at most 10000)" },
	{ 0 },
};

static const struct cli_opt events_opts[] = {
	{ "follow", 'f', false, NULL, NULL, "go on with new events as they come" },
	{ "app", 0, false, "APP", NULL, "only events of this application (name or ref)" },
	{ "refused", 0, false, NULL, NULL, "only refusals" },
	{ "last", 0, false, "N", NULL, "at most the last N events" },
	{ 0 },
};

static const struct cli_opt doctor_opts[] = {
	{ "dev", 0, false, "DEVICE", NULL, "what at this device would lose datagrams of the memcached switch" },
	{ "mode", 0, false, "WORD", "xdp tc", "dev: as if the switch worked by this hook (default: what is attached, or would be)" },
	{ "vip", 0, false, "ADDR", NULL, "dev: for this address (default: those of the services that have the device)" },
	{ "dsr", 0, false, "WORD", "nat l2", "dev: with --vip, whether servers answer the clients themselves (default: nat)" },
	{ 0 },
};

static const struct cli_opt check_opts[] = {
	{ "proto", 0, false, "PROTO", "tcp udp", "protocol (default: tcp)" },
	{ 0 },
};

static const struct cli_opt cluster_opts[] = {
	{ "name", 0, false, "NAME", NULL, "init: what the cluster is called (default: as configured)" },
	{ "node", 0, false, "NAME", NULL, "init, join: what this node is called (default: as configured, or the host's name)" },
	{ "address", 0, CLI_MANY, "ADDR", NULL, "init, join: this host's address for the other nodes, at most one of each family (default: as configured, or where the default route leads)" },
	{ "port", 0, false, "PORT", NULL, "init, join: TCP and UDP port the nodes talk by (default: as configured)" },
	{ "insecure", 0, false, NULL, NULL, "init: encrypt nothing; for tests on a network of their own" },
	{ "key", 0, false, "FILE", NULL, "ca request: the private key, made when it is not there" },
	{ "ca-key", 0, false, "FILE", NULL, "ca sign: the private key of the CA" },
	{ "allow", 0, CLI_MANY, "RIGHT", NULL, "ca sign: name=PATTERN or ip=NETWORK, of applications, or node=NETWORK, of the node itself" },
	{ "days", 0, false, "N", NULL, "ca sign: how long the certificate is valid (default: 365)" },
	{ "id", 0, false, "ID", NULL, "ca request: id of the node (default: as the agent says, or made from the key)" },
	{ "out", 0, false, "FILE", NULL, "ca request, ca sign: the file to make" },
	{ 0 },
};

static const struct cli_opt keys_opts[] = {
	{ "force", 0, false, NULL, NULL, "use: also when a node that is alive has not got the key" },
	{ 0 },
};

static const struct cli_opt drain_opts[] = {
	{ "node", 0, false, "NAME", NULL, "all endpoints of this node" },
	{ "app", 0, false, "NAME", NULL, "all endpoints of this application on this node" },
	{ "undo", 0, false, NULL, NULL, "take new connections again" },
	{ "wait", 0, false, "SECS", NULL, "wait until no connection lives on, at most this long; then exit 5" },
	{ 0 },
};

static const struct cli_opt memcached_opts[] = {
	{ "vip", 0, false, "ADDR:PORT", NULL, "add: where clients send to" },
	{ "backend", 0, CLI_MANY, "SERVER", NULL, "add: HOST:PORT[*WEIGHT][=NAME], or service:NAME[:PORT][*WEIGHT] for what listens there" },
	{ "gutter", 0, CLI_MANY, "SERVER", NULL, "add: a server that only stands in for others" },
	{ "dev", 0, CLI_MANY, "DEVICE", NULL, "add: DEVICE or DEVICE=auto|tc|xdp, where requests and replies come in" },
	{ "tag", 0, CLI_MANY, "KEY=VALUE", NULL, "add: of the service as an application: which managed servers it may reach" },
	{ "dsr", 0, false, "WORD", "nat l2", "add: nat, or l2: servers answer the clients themselves (default: nat)" },
	{ "source", 0, false, "ADDR", NULL, "add: what servers see (default: that of the route to them)" },
	{ "hash", 0, false, "WORD", "maglev ketama", "add: how keys are dealt out (default: maglev)" },
	{ "dialect", 0, false, "WORD", NULL, "add: whose ketama: twemproxy, libmemcached, libmemcached-weighted or spymemcached (default: twemproxy)" },
	{ "key-hash", 0, false, "WORD", NULL, "add: hash of the keys under ketama (default: that of the dialect)" },
	{ "hash-tag", 0, false, "XY", NULL, "add: only what stands between these two characters is hashed" },
	{ "tcp", 0, false, "WORD", "on off", "add: are clients served by TCP, too? (default: on)" },
	{ "writers", 0, false, "WORD", "any switch", "add: who may write to the servers; switch: nobody past this service (default: any)" },
	{ "cache", 0, false, "SIZE", NULL, "add: memory for hot keys, as 64M; off (default: 16M where no writer goes past the switch)" },
	{ "cache-unsafe-ttl", 0, false, "MS", NULL, "add: cache although not all writers are seen; answers may be that old" },
	{ "admit", 0, false, "N", NULL, "add: misses a second from which a key is cached (default: 2)" },
	{ "max-age", 0, false, "MS", NULL, "add: no value is served longer (default: --cache-unsafe-ttl)" },
	{ "allow", 0, CLI_MANY, "NET", NULL, "add: whose requests are taken (default: the networks of the devices)" },
	{ "rate", 0, false, "BYTES", NULL, "add: answers from the cache to one source, a second (default: 1000000000; off)" },
	{ "failover", 0, false, "WORD", "on off", "add: do others stand in for servers that are down? (default: on)" },
	{ "probe-interval", 0, false, "MS", NULL, "add: between two questions to a server (default: 500)" },
	{ "probe-timeout", 0, false, "MS", NULL, "add: how long an answer may take (default: 400)" },
	{ "probe-threshold", 0, false, "N", NULL, "add: so many without an answer, and it is down (default: 3)" },
	{ "undo", 0, false, NULL, NULL, "drain: it takes keys again, after it was emptied" },
	{ "sort", 0, false, "WORD", "requests bytes", "top: by what (default: requests)" },
	{ "limit", 0, false, "N", NULL, "top: so many keys of a service (default: 20)" },
	{ 0 },
};

static const struct cli_opt detach_opts[] = {
	{ "all", 0, false, NULL, NULL, "required: everything goes" },
	{ "yes", 0, false, NULL, NULL, "do not ask" },
	{ "force", 0, false, NULL, NULL, "also while the agent runs: it may attach everything again" },
	{ 0 },
};

static const struct cli_opt help_opts[] = {
	{ "man", 0, false, NULL, NULL, "print the verbs as reStructuredText for the manual page" },
	{ "complete", 0, false, NULL, NULL, "print the completion script for bash" },
	{ 0 },
};

static const struct cli_opt no_opts[] = { { 0 } };

const struct cli_verb cli_verbs[] = {
	{ "run", "[--] CMD [ARG]...", "start a program with an identity",
	  "Starts CMD in a scope of its own below Patchbay's cgroup. The program stays in the "
	  "foreground; its exit code becomes that of ``patchbay run``. Signals sent to "
	  "``patchbay run`` are passed on, and killing ``patchbay run`` itself with SIGKILL "
	  "leaves the program running. Network sockets that were open before are closed for the "
	  "program, CAP_NET_RAW is dropped, and only sockets of the families unix, inet, inet6 "
	  "and netlink can be made (32-bit programs that use socketcall(2) can make none). With "
	  "**--user** HOME, USER and LOGNAME are set too. For a program with **--splice**, or when "
	  "the configuration switches splices on for it, splice(2) answers EINVAL, as it does for "
	  "files that cannot be spliced: it would not see the bytes that bypass the stack. Which "
	  "programs may have **--splice=all** is said in patchbay.conf(5), section SPLICE.",
	  run_opts, NULL, 0, 0, true, CLI_RUN_FAILED, cmd_run },
	{ "apps", "", "list applications",
	  "One line a scope: who it is, what it may reach, how many processes it holds.",
	  no_opts, NULL, 0, 0, false, 0, cmd_apps },
	{ "services", "", "list services",
	  "One line a virtual address and port on which something listens, on this node or on another of "
	  "the cluster (NODES). LOOPBACK-OF names the application that alone sees a service on "
	  "127.0.0.1 or ::1.",
	  no_opts, NULL, 0, 0, false, 0, cmd_services },
	{ "endpoints", "[SERVICE]", "list listening instances",
	  "All of them, or those of SERVICE: NAME, ADDR, or either with :PORT. Those on other nodes are "
	  "in STATE ``suspect`` while their node may be dead and ``ejected`` after a connection to them "
	  "failed: both are the last choice. LIVE and TOTAL count for an endpoint of this node the "
	  "connections from everywhere, for one of another node those from here.",
	  no_opts, NULL, 0, 1, false, 0, cmd_endpoints },
	{ "flows", "[APP]", "list the TCP connections of managed programs",
	  "All that are established or half-closed, or those of APP (name or ref). An end whose "
	  "socket is not a managed one of this machine is shown by its address alone. SPLICE is "
	  "``yes``, ``part`` (one direction), ``ready`` (nothing was sent yet) or ``no``; the column "
	  "-> has the reason for what the client sends, <- for what the server sends, each followed "
	  "by the bytes that bypassed the stack. The list is taken while connections come and go.",
	  flows_opts, NULL, 0, 1, false, 0, cmd_flows },
	{ "status", "", "show the state of the agent and of the kernel side",
	  "When the agent is dead the exit code is 3, and the kernel side is looked at directly.",
	  no_opts, NULL, 0, 0, false, 0, cmd_status },
	{ "doctor", "", "check this machine, and say what to do",
	  "One line a check: ok, warn or fail, what was seen, what to do. Exits 1 when a check "
	  "failed. Needs no agent. With --dev it looks at one device, and at the other end of a veth as "
	  "far as that can be seen, and names what makes the memcached switch lose datagrams silently: "
	  "no NAPI or XDP program at the other end, checksums left to the device, MTUs, UDP GRO and LRO, "
	  "TSO lost to native XDP, rp_filter, ARP, a virtual address that is missing here or (L2 return) "
	  "at the servers, drivers without native XDP, queues and rings.",
	  doctor_opts, NULL, 0, 0, false, 0, cmd_doctor },
	{ "events", "", "show decisions as they were made",
	  "One line an event: time, verdict, reason, program, operation, destination. Events that "
	  "were lost are counted in between. With JSON one object a line.",
	  events_opts, NULL, 0, 0, false, 0, cmd_events },
	{ "why", "APP DEST[:PORT]", "show the last decisions about a destination",
	  "Prints what was decided for APP (name or ref) towards DEST, newest last, then the live "
	  "connections there, spliced or not and why, then what ``check`` says now. For a destination "
	  "on another node it says which, and whether that is suspect or ejected.",
	  no_opts, NULL, 2, 2, false, 0, cmd_why },
	{ "check", "SRC DEST[:PORT]", "may SRC reach DEST? Sends nothing",
	  "Answers by the same code as the kernel side, for endpoints of other nodes too. Exits 0 when "
	  "allowed, 1 when refused.",
	  check_opts, NULL, 2, 2, false, 0, cmd_check },
	{ "policy", "", "list the rules in force", "The global mode, then the rules in their order.",
	  no_opts, NULL, 0, 0, false, 0, cmd_policy },
	{ "reload", "", "make the agent read its configuration again",
	  "All or nothing: with an error in the files the old configuration stays. Prints what "
	  "changed.",
	  no_opts, NULL, 0, 0, false, 0, cmd_reload },
	{ "release", "REF", "drop a scope that holds no process", "REF is as ``apps`` shows it.",
	  no_opts, NULL, 1, 1, false, 0, cmd_release },
	{ "config", "check|show [FILE]", "check or show the configuration",
	  "``check`` reads FILE (default: /etc/patchbay/patchbay.conf), its drop-ins and the folder "
	  "identity.d beside it, and reports the first error with its line. ``show`` prints what "
	  "results and where each value was set.",
	  no_opts, "check show", 1, 2, false, 0, cmd_config },
	{ "detach", "--all", "take everything out of the kernel",
	  "Removes links, maps and the unreachable routes of the pools, also when the agent is dead. "
	  "Says first what becomes open: the real port of each managed listener is guarded no more, "
	  "and running programs lose names and policy. Asks unless **--yes** is given. Refuses while "
	  "an agent runs unless **--force** is given.",
	  detach_opts, NULL, 0, 0, false, 0, cmd_detach },
	{ "nodes", "", "list the nodes of the cluster",
	  "One line a node, this one marked: its state (``alive``, ``suspect``, ``dead``, ``left``; "
	  "``foreign``: a member of the pool that is no Patchbay), its address for the others, how many "
	  "applications and endpoints it has announced, since when it is in that state, and its "
	  "version. A node whose records are not used has the reason in the column NOTE.",
	  no_opts, NULL, 0, 0, false, 0, cmd_nodes },
	{ "cluster", "[ACTION [OPERAND]...]", "make, join, leave and show a cluster of nodes",
	  "Without an operand the state of this node's cluster. ``init`` makes this node the first of a "
	  "new one and prints a token, alone, on standard output; ``join`` on a further node with that "
	  "token is all the configuration there is (``-`` reads it from standard input). ``token`` "
	  "prints it again, with the nodes that are alive now. ``leave`` says goodbye and makes a "
	  "cluster of one again of this node. The token holds the secret of the cluster. ``join`` exits with 5 when no node "
	  "has answered yet; the agent goes on trying.\n\n"
	  "``ca`` makes keys and certificates for ``identity = signed`` (patchbay.conf(5)) and needs no "
	  "agent; it replaces no file. ``ca init DIR`` makes the CA of a cluster: DIR/ca.key, which "
	  "stays where it is, and DIR/ca.pem, for every node. ``ca request`` on a node makes its private "
	  "key, which stays there, and a request. ``ca sign REQUEST`` makes the certificate of the node "
	  "that is called **--node**, with the rights of **--allow**, for the cluster that was named when "
	  "the CA was made.",
	  cluster_opts, "init join token leave ca", 0, 3, false, 0, cmd_cluster },
	{ "keys", "[ACTION [KEY|ID]]", "change the keys of the cluster",
	  "Without an operand, or with ``list``, the keys of this node, how many nodes have each and which "
	  "have not, about how many messages all of them have encrypted with it, and when it is dropped. "
	  "``gen`` prints a new one and does nothing else. To change the key of a cluster: ``install`` "
	  "the new one on every node (``-`` reads it from standard input), then ``use`` it by its id on "
	  "every node. The one before still decrypts for 7 days and is dropped then; ``remove`` does it "
	  "at once. ``use`` refuses while nodes that are alive have not got the key, and names them: they "
	  "would hear this one no more. With ``key-file`` (patchbay.conf(5)) all of that happens by itself.",
	  keys_opts, "list gen install use remove", 0, 2, false, 0, cmd_keys },
	{ "drain", "[ENDPOINT-ID]", "send no new connections to endpoints",
	  "To those of a node, of an application, or to one by its id. Connections that live go on. "
	  "With **--undo** they are as before.",
	  drain_opts, NULL, 0, 1, false, 0, cmd_drain },
	{ "memcached", "[ACTION [NAME [ARG]...]]", "put memcached servers behind one address",
	  "Without an operand, or with ``show``, the services of this node. ``add`` makes one, which "
	  "lives until ``remove``; ``set`` changes keys of it (patchbay-memcached(1) lists them); "
	  "``drain`` gives the keys of a server to others; ``stats`` has the counters; ``top`` the keys "
	  "that are asked for most (root only); ``verify-ring`` compares a client's owners with the "
	  "ring: FILE (or ``-``) holds lines KEY SERVER; it exits with 1 when any differs. Services that "
	  "stand in services.d are changed there, and taken up by ``reload``.",
	  memcached_opts, "show add set drain remove stats top verify-ring", 0, 8, false, 0,
	  cmd_memcached },
	{ "version", "", "print the version of this program and of the agent",
	  "The agent's is empty when it does not run.",
	  no_opts, NULL, 0, 0, false, 0, cmd_version },
	{ "help", "[VERB]", "print help",
	  "About all verbs, or about VERB.",
	  help_opts, NULL, 0, 1, false, 0, cmd_help },
	{ 0 },
};
/* clang-format on */
