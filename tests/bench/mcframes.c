// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Gets at the rate that one core makes frames: BPF_PROG_TEST_RUN with live frames, no socket.
 *	mcframes load PIN			programs and maps into a folder of a bpffs
 *	mcframes attach PIN DEVICE sink|reflect|cold
 *	mcframes gen PIN DEVICE DEST-MAC SOURCE-IP DEST-IP KEYS [COLD-KEYS COLD-OF-1000 [FRAMES]]
 *	mcframes time PIN DEVICE DEST-MAC SOURCE-IP DEST-IP KEYS [COLD-KEYS COLD-OF-1000 [FRAMES]]
 * gen prints frames sent and answers received a second, and their bytes.  It runs in the network of
 * DEVICE, whose peer is the switch; DEVICE needs the sink.  time prints what the XDP program of DEVICE,
 * one of the switch, takes for such a frame and no device: ns, with making the frame, and that alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "control/util.h"
#include "tests/bpf/mc_bench.h"

#include "test/mc_bench.skel.h"

#define FRAMES (1u << 20)
#define CLIENT_PORT 40000

static int pinned(const char *pin, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fprintf(stderr, "mcframes: %s: %s\n", path, strerror(errno));
	return fd;
}

static int pin_all(const char *dir)
{
	struct mc_bench *skel = mc_bench__open_and_load();
	int err = skel ? 0 : -errno;

	if (!err)
		err = bpf_object__pin_programs(skel->obj, dir);
	if (!err)
		err = bpf_map__pin(skel->maps.pb_mcb_conf,
				   strcat(strcpy((char[256]){ 0 }, dir), "/conf"));
	if (!err)
		err = bpf_map__pin(skel->maps.pb_mcb_count,
				   strcat(strcpy((char[256]){ 0 }, dir), "/count"));
	if (!err)
		err = bpf_map__pin(skel->maps.pb_mcb_timed,
				   strcat(strcpy((char[256]){ 0 }, dir), "/timed"));
	mc_bench__destroy(skel);
	return err;
}

static int attach(const char *pin, const char *dev, const char *what)
{
	char name[64];
	_cleanup_close_ int prog = -1;

	snprintf(name, sizeof(name), "pb_mcb_%s", what);
	prog = pinned(pin, name);
	if (prog < 0)
		return -ENOENT;
	return bpf_xdp_attach((int)if_nametoindex(dev), prog, XDP_FLAGS_DRV_MODE, NULL);
}

static uint16_t header_sum(const void *p)
{
	const uint16_t *w = p;
	uint32_t sum = 0;

	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static int own_mac(const char *dev, uint8_t *mac)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r))
		return -errno;
	memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
	return 0;
}

static int template(struct mc_bench_conf *c, int which, char **argv)
{
	struct ethhdr *eth = (void *)c->frame[which];
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	uint8_t *frame = (void *)(udp + 1), m[ETH_ALEN];
	int n;

	if (sscanf(argv[0], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
		   m + 5) != 6)
		return -EINVAL;
	memcpy(eth->h_dest, m, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	memcpy(frame, (uint8_t[]){ 0x12, 0x34, 0, 0, 0, 1, 0, 0 }, 8);
	n = sprintf((char *)frame + 8, "get load-%s-%08d\r\n", which ? "cold" : "key", 0);
	c->len[which] = (uint32_t)(sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + 8) + (uint32_t)n;
	c->digits[which] = c->len[which] - 2 - MC_BENCH_DIGITS;
	udp->source = htons(CLIENT_PORT);
	udp->dest = htons(11211);
	udp->len = htons((uint16_t)(8 + 8 + n));
	*ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	ip->tot_len = htons((uint16_t)(20 + 8 + 8 + n));
	if (inet_pton(AF_INET, argv[1], &ip->saddr) != 1 ||
	    inet_pton(AF_INET, argv[2], &ip->daddr) != 1)
		return -EINVAL;
	ip->check = header_sum(ip);
	return 0;
}

static int counts(int fd, uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *v = calloc((size_t)cpus, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (uint32_t k = 0; k < MC_BENCH_COUNTS; k++) {
		if (bpf_map_lookup_elem(fd, &k, v))
			return -errno;
		ret[k] = 0;
		for (int i = 0; i < cpus; i++)
			ret[k] += v[i];
	}
	return 0;
}

static int run(int prog, const char *dev, unsigned frames)
{
	uint8_t in[MC_BENCH_FRAME] = { 0 };
	struct xdp_md ctx = { .data_end = sizeof(in), .ingress_ifindex = if_nametoindex(dev) };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_size_in = sizeof(in), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);

	return bpf_prog_test_run_opts(prog, &o);
}

/* What is to be sent: words as of main(), from DEST-MAC on. */
static int configure(const char *pin, const char *dev, int argc, char **argv)
{
	_cleanup_close_ int conf = pinned(pin, "conf");
	struct mc_bench_conf c = { 0 };
	int err = conf < 0 ? -ENOENT : 0;

	c.keys[0] = (uint32_t)atoi(argv[3]);
	c.keys[1] = argc > 5 ? (uint32_t)atoi(argv[4]) : 0;
	c.cold = argc > 5 ? (uint32_t)atoi(argv[5]) : 0;
	for (int i = 0; i < 2 && !err; i++) {
		err = template(&c, i, argv);
		if (!err)
			err = own_mac(dev, ((struct ethhdr *)c.frame[i])->h_source);
	}
	if (!err && bpf_map_update_elem(conf, &(uint32_t){ 0 }, &c, BPF_ANY))
		err = -errno;
	return err;
}

static int generate(const char *pin, const char *dev, int argc, char **argv)
{
	_cleanup_close_ int count = pinned(pin, "count"), prog = pinned(pin, "pb_mcb_gen");
	unsigned frames = argc > 6 ? (unsigned)atoi(argv[6]) : FRAMES;
	uint64_t before[MC_BENCH_COUNTS], after[MC_BENCH_COUNTS], ns;
	int err = count < 0 || prog < 0 ? -ENOENT : configure(pin, dev, argc, argv);

	if (!err)
		err = counts(count, before);
	ns = pb_now_ns();
	if (!err)
		err = run(prog, dev, frames);
	ns = pb_now_ns() - ns;
	if (!err)
		err = counts(count, after);
	if (err)
		return err;
	for (int i = 0; i < MC_BENCH_COUNTS; i++)
		after[i] -= before[i];
	printf("sent %.0f back %.0f cold %.0f bytes %.0f\n",
	       (double)after[MC_BENCH_SENT] * 1e9 / ns, (double)after[MC_BENCH_BACK] * 1e9 / ns,
	       (double)after[MC_BENCH_COLD] * 1e9 / ns,
	       after[MC_BENCH_BACK] ? (double)after[MC_BENCH_BYTES] / (double)after[MC_BENCH_BACK]
				    : 0.0);
	return 0;
}

/* ns that a frame takes; *ret_verdict: of the last one. */
static int run_timed(int prog, const char *dev, unsigned frames, uint32_t *ret_verdict)
{
	static uint8_t in[1500];
	struct xdp_md ctx = { .data_end = sizeof(in), .ingress_ifindex = if_nametoindex(dev) };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_size_in = sizeof(in), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)frames);
	int err = bpf_prog_test_run_opts(prog, &o);

	*ret_verdict = o.retval;
	return err ? err : (int)o.duration;
}

static int timed(const char *pin, const char *dev, int argc, char **argv)
{
	_cleanup_close_ int prog = pinned(pin, "pb_mcb_time"), slots = pinned(pin, "timed");
	_cleanup_close_ int subject = -1;
	unsigned frames = argc > 6 ? (unsigned)atoi(argv[6]) : FRAMES;
	uint32_t id = 0, verdict;
	int err, bare, ns;

	if (prog < 0 || slots < 0)
		return -ENOENT;
	err = bpf_xdp_query_id((int)if_nametoindex(dev), 0, &id);
	if (!err)
		err = configure(pin, dev, argc, argv);
	if (err)
		return err;
	subject = bpf_prog_get_fd_by_id(id);
	bpf_map_delete_elem(slots, &(uint32_t){ 0 });
	bare = run_timed(prog, dev, frames, &verdict);
	if (subject < 0 || bare < 0 || bpf_map_update_elem(slots, &(uint32_t){ 0 }, &subject, 0))
		return -errno;
	ns = run_timed(prog, dev, frames, &verdict);
	if (ns < 0)
		return ns;
	printf("ns %d bare %d verdict %u\n", ns, bare, verdict);
	return 0;
}

int main(int argc, char **argv)
{
	int err = -EINVAL;

	if (argc == 3 && !strcmp(argv[1], "load"))
		err = pin_all(argv[2]);
	else if (argc == 5 && !strcmp(argv[1], "attach"))
		err = attach(argv[2], argv[3], argv[4]);
	else if (argc >= 8 && !strcmp(argv[1], "gen"))
		err = generate(argv[2], argv[3], argc - 4, argv + 4);
	else if (argc >= 8 && !strcmp(argv[1], "time"))
		err = timed(argv[2], argv[3], argc - 4, argv + 4);
	if (err)
		fprintf(stderr, "mcframes: %s\n", strerror(-err));
	return err ? 1 : 0;
}
