/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about a device, by the ioctl that ethtool(8) uses. */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../util.h"
#include "device_internal.h"

#define STRINGS_MAX 4096

static int ask(int fd, const struct pb_mcd_facts *f, void *cmd)
{
	struct ifreq r = { .ifr_data = cmd };

	memcpy(r.ifr_name, f->name, sizeof(f->name));
	return ioctl(fd, SIOCETHTOOL, &r) ? -errno : 0;
}

static struct ethtool_gstrings *get_strings(int fd, const struct pb_mcd_facts *f, unsigned set)
{
	struct {
		struct ethtool_sset_info info;
		__u32 n;
	} q = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << set } };
	struct ethtool_gstrings *s;

	if (ask(fd, f, &q) || !q.info.sset_mask || !q.n || q.n > STRINGS_MAX)
		return NULL;
	s = calloc(1, sizeof(*s) + (size_t)q.n * ETH_GSTRING_LEN);
	if (!s)
		return NULL;
	s->cmd = ETHTOOL_GSTRINGS;
	s->string_set = set;
	s->len = q.n;
	if (!ask(fd, f, s) && s->len <= q.n)
		return s;
	free(s);
	return NULL;
}

static const char *string_at(const struct ethtool_gstrings *s, unsigned i)
{
	return (const char *)s->data + (size_t)i * ETH_GSTRING_LEN;
}

static bool is(const char *string, const char *name)
{
	return !strncmp(string, name, ETH_GSTRING_LEN);
}

/* "rx_queue_0_xdp_tx_errors", "tx_queue_1_xdp_xmit_errors"...; drops may be a program's will. */
static bool counts_losses(const char *string)
{
	size_t n = strnlen(string, ETH_GSTRING_LEN);

	return memmem(string, n, "xdp", 3) && memmem(string, n, "err", 3);
}

static void note_feature(struct pb_mcd_facts *f, const char *name, uint8_t state)
{
	if (is(name, "tx-checksum-ip-generic") || is(name, "tx-checksum-ipv4")) {
		if (f->tx_csum != PB_MCD_ON)
			f->tx_csum = state;
	} else if (is(name, "tx-tcp-segmentation")) {
		f->tso = state;
	} else if (is(name, "rx-gro")) {
		f->gro = state;
	} else if (is(name, "rx-lro")) {
		f->lro = state;
	} else if (is(name, "rx-gro-list")) {
		f->gro_list = state;
	} else if (is(name, "rx-udp-gro-forwarding")) {
		f->udp_gro_fwd = state;
	}
}

static void look_features(int fd, struct pb_mcd_facts *f)
{
	_cleanup_free_ struct ethtool_gstrings *names = get_strings(fd, f, ETH_SS_FEATURES);
	_cleanup_free_ struct ethtool_gfeatures *q = NULL;
	unsigned blocks;

	if (!names)
		return;
	blocks = (names->len + 31) / 32;
	q = calloc(1, sizeof(*q) + blocks * sizeof(q->features[0]));
	if (!q)
		return;
	q->cmd = ETHTOOL_GFEATURES;
	q->size = blocks;
	if (ask(fd, f, q))
		return;
	for (unsigned i = 0; i < names->len && i / 32 < blocks; i++)
		note_feature(f, string_at(names, i),
			     q->features[i / 32].active >> (i % 32) & 1 ? PB_MCD_ON : PB_MCD_OFF);
}

static void look_losses(int fd, struct pb_mcd_facts *f)
{
	_cleanup_free_ struct ethtool_gstrings *names = get_strings(fd, f, ETH_SS_STATS);
	_cleanup_free_ struct ethtool_stats *q = NULL;

	if (!names)
		return;
	q = calloc(1, sizeof(*q) + names->len * sizeof(q->data[0]));
	if (!q)
		return;
	q->cmd = ETHTOOL_GSTATS;
	q->n_stats = names->len;
	if (ask(fd, f, q))
		return;
	for (unsigned i = 0; i < names->len && i < q->n_stats; i++)
		if (counts_losses(string_at(names, i)))
			f->xdp_lost += q->data[i];
}

static void look_queues(int fd, struct pb_mcd_facts *f)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_ringparam r = { .cmd = ETHTOOL_GRINGPARAM };

	if (!ask(fd, f, &c)) {
		f->rx_queues = c.rx_count + c.combined_count;
		f->tx_queues = c.tx_count + c.combined_count;
		f->max_queues = c.max_combined ? c.max_combined : c.max_rx;
	}
	if (!ask(fd, f, &r)) {
		f->rx_ring = r.rx_pending;
		f->max_rx_ring = r.rx_max_pending;
	}
}

void pb_mcd_ethtool(struct pb_mcd_facts *f)
{
	struct ethtool_drvinfo d = { .cmd = ETHTOOL_GDRVINFO };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (!ask(fd, f, &d))
		snprintf(f->driver, sizeof(f->driver), "%.31s", d.driver);
	look_features(fd, f);
	look_losses(fd, f);
	look_queues(fd, f);
}
