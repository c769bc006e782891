/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of a device loses datagrams silently, and which hook suits it.  Pure: facts in, findings out. */
#include "device.h"

#include "../util.h"

#define XDP_MTU 3500	 /* about what one page has room for */
#define DATAGRAM_V4 1428 /* memcached's largest datagram and its headers */
#define DATAGRAM_V6 1448
#define RING_ENOUGH 1024

struct judge {
	const struct pb_mcd_case *c;
	struct pb_mcd_finding *f;
	size_t n;
};

__attribute__((format(printf, 4, 5))) static struct pb_mcd_finding *find(struct judge *j,
									 const char *id,
									 enum pb_mcd_grade grade,
									 const char *fmt, ...)
{
	struct pb_mcd_finding *f = &j->f[j->n < PB_MCD_FINDINGS_MAX ? j->n++ : j->n - 1];
	va_list ap;

	f->id = id;
	f->grade = grade;
	f->todo[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(f->seen, sizeof(f->seen), fmt, ap);
	va_end(ap);
	return f;
}

#define TODO(f, ...) snprintf((f)->todo, sizeof((f)->todo), __VA_ARGS__)

/* ---- which hook ------------------------------------------------------------ */

static bool is_veth(const struct pb_mcd_facts *f)
{
	return !strcmp(f->kind, "veth") || !strcmp(f->driver, "veth");
}

bool pb_mcd_choose(const struct pb_mcd_facts *f, char why[PB_MCD_WHY])
{
	const char *driver = *f->driver ? f->driver : *f->kind ? f->kind : "its driver";

	if (is_veth(f))
		snprintf(why, PB_MCD_WHY, "veth: native XDP would take TSO from the other end");
	else if (!f->ethernet)
		snprintf(why, PB_MCD_WHY, "no Ethernet device");
	else if (f->can_native != PB_MCD_ON)
		snprintf(why, PB_MCD_WHY, "%s has no native XDP", driver);
	else if (f->can_redirect != PB_MCD_ON)
		snprintf(why, PB_MCD_WHY, "%s cannot redirect by XDP", driver);
	else if (f->mtu > XDP_MTU)
		snprintf(why, PB_MCD_WHY, "an MTU of %u is too large for XDP", f->mtu);
	else if (f->lro == PB_MCD_ON)
		snprintf(why, PB_MCD_WHY, "LRO is on, and excludes XDP");
	else {
		snprintf(why, PB_MCD_WHY, "%s has native XDP with redirect%s", driver,
			 f->can_by_name ? " (known by its name)" : "");
		return true;
	}
	return false;
}

/* ---- the device ------------------------------------------------------------ */

static void judge_device(struct judge *j)
{
	const struct pb_mcd_facts *d = j->c->dev;
	unsigned least = j->c->vip && !j->c->vip_is_v4 ? DATAGRAM_V6 : DATAGRAM_V4;

	if (!d->up)
		TODO(find(j, "down", PB_MCD_FAIL, "%s is down", d->name), "ip link set %s up",
		     d->name);
	if (!d->ethernet)
		TODO(find(j, "ethernet", PB_MCD_FAIL, "%s has no Ethernet header", d->name),
		     "give the switch an Ethernet device");
	if (d->mtu < least)
		TODO(find(j, "mtu-small", PB_MCD_WARN,
			  "an MTU of %u: memcached's answers of 1,400 bytes are fragmented or lost",
			  d->mtu),
		     "ip link set %s mtu 1500", d->name);
	if (d->gro_list == PB_MCD_ON || d->udp_gro_fwd == PB_MCD_ON)
		TODO(find(j, "gro", PB_MCD_FAIL,
			  "UDP GRO is on: several datagrams reach tc as one, and only the first is read"),
		     "ethtool -K %s rx-gro-list off rx-udp-gro-forwarding off", d->name);
	if (d->lro == PB_MCD_ON)
		TODO(find(j, "lro", PB_MCD_WARN,
			  "LRO is on: what it glues together cannot be forwarded"),
		     "ethtool -K %s lro off", d->name);
	if (d->rp_filter == 1)
		TODO(find(j, "rp-filter", PB_MCD_WARN,
			  "rp_filter is strict: what comes by %s from an address that is routed "
			  "elsewhere is dropped before the slow path",
			  d->name),
		     "sysctl net.ipv4.conf.%s.rp_filter=2 (and net.ipv4.conf.all)", d->name);
	if (d->xdp_lost)
		TODO(find(j, "lost", PB_MCD_WARN, "%s counts %llu frames that XDP lost", d->name,
			  (unsigned long long)d->xdp_lost),
		     "find the cause in the lines around; ethtool -S %s", d->name);
}

static void judge_xdp(struct judge *j)
{
	const struct pb_mcd_facts *d = j->c->dev;
	const char *driver = *d->driver ? d->driver : d->kind;

	if (d->can_native == PB_MCD_OFF)
		TODO(find(j, "driver", PB_MCD_FAIL, "%s (%s) has no native XDP", d->name, driver),
		     "--dev %s=tc", d->name);
	else if (d->can_redirect == PB_MCD_OFF)
		TODO(find(j, "driver", PB_MCD_FAIL, "%s (%s) cannot redirect by XDP", d->name,
			  driver),
		     "--dev %s=tc", d->name);
	if (d->xdp_generic && !d->xdp_native)
		TODO(find(j, "generic", PB_MCD_WARN,
			  "the program at %s is generic XDP: slower than tc, and cannot grow packets",
			  d->name),
		     "--dev %s=tc, or attach in the driver (xdpdrv)", d->name);
	if (d->mtu > XDP_MTU && !is_veth(d))
		TODO(find(j, "mtu", PB_MCD_FAIL,
			  "an MTU of %u: native XDP refuses more than about %d bytes", d->mtu,
			  XDP_MTU),
		     "ip link set %s mtu %d, or --dev %s=tc", d->name, XDP_MTU, d->name);
	if (d->rx_ring && d->rx_ring < RING_ENOUGH && d->rx_ring < d->max_rx_ring)
		TODO(find(j, "rings", PB_MCD_WARN, "the receive ring has %u of %u places",
			  d->rx_ring, d->max_rx_ring),
		     "ethtool -G %s rx %u", d->name, d->max_rx_ring);
	if (!is_veth(d) && d->rx_queues && d->rx_queues < d->max_queues &&
	    d->rx_queues < j->c->cpus)
		TODO(find(j, "queues", PB_MCD_WARN, "%u of %u queues are used, by %u processors",
			  d->rx_queues, d->max_queues, j->c->cpus),
		     "ethtool -L %s combined %u", d->name,
		     d->max_queues < j->c->cpus ? d->max_queues : j->c->cpus);
}

/* ---- veth ------------------------------------------------------------------ */

static void judge_veth_mtu(struct judge *j)
{
	const struct pb_mcd_facts *d = j->c->dev, *p = j->c->peer;

	if (p->mtu != d->mtu)
		TODO(find(j, "mtu-peer", PB_MCD_FAIL,
			  "%s has an MTU of %u, its other end %s one of %u: longer frames are lost "
			  "without a word",
			  d->name, d->mtu, p->name, p->mtu),
		     "the same MTU on both");
	if (j->c->xdp && p->mtu > XDP_MTU)
		TODO(find(j, "mtu", PB_MCD_FAIL,
			  "the other end %s has an MTU of %u: native XDP refuses more than about %d",
			  p->name, p->mtu, XDP_MTU),
		     "ip link set %s mtu %d, or --dev %s=tc", p->name, XDP_MTU, d->name);
}

static void judge_veth_xdp(struct judge *j)
{
	const struct pb_mcd_facts *d = j->c->dev, *p = j->c->peer;

	if (!p->xdp_native && p->gro == PB_MCD_OFF)
		TODO(find(j, "peer-napi", PB_MCD_FAIL,
			  "the other end %s has neither GRO nor an XDP program, so no NAPI: whatever "
			  "XDP sends there is lost",
			  p->name),
		     "ethtool -K %s gro on, and an XDP program there; or --dev %s=tc", p->name,
		     d->name);
	if (!p->xdp_native)
		TODO(find(j, "peer-xdp", PB_MCD_FAIL,
			  "the other end %s has no XDP program: answers by XDP_TX fill its ring and "
			  "stick there",
			  p->name),
		     "any XDP program on %s that passes everything, or --dev %s=tc", p->name,
		     d->name);
	if (p->tx_csum == PB_MCD_ON)
		TODO(find(j, "checksum", PB_MCD_WARN,
			  "the other end %s leaves checksums to its device: what XDP sends on has "
			  "partial ones.  The switch completes those of its own datagrams, no others",
			  p->name),
		     "ethtool -K %s tx off, or --dev %s=tc", p->name, d->name);
	if (d->rx_queues && p->tx_queues > d->rx_queues)
		TODO(find(j, "queues", PB_MCD_FAIL,
			  "%s receives by %u queues, its other end %s sends by %u: XDP is refused",
			  d->name, d->rx_queues, p->name, p->tx_queues),
		     "ethtool -L %s rx %u", d->name, p->tx_queues);
}

static void judge_veth(struct judge *j)
{
	const struct pb_mcd_facts *d = j->c->dev, *p = j->c->peer;

	if (j->c->xdp)
		TODO(find(j, "tso", PB_MCD_WARN,
			  "native XDP on a veth takes TSO from its other end%s%s: bulk TCP to %s is "
			  "several times slower",
			  p ? " " : "", p ? p->name : "", d->name),
		     "--dev %s=tc", d->name);
	if (j->c->xdp && d->threaded == PB_MCD_OFF)
		TODO(find(j, "threaded", PB_MCD_NOTE,
			  "XDP works on the processor of whoever sends to %s", d->name),
		     "echo 1 > /sys/class/net/%s/threaded gives it its own thread", d->name);
	if (!p) {
		TODO(find(j, "peer", PB_MCD_WARN, "its other end was not seen: %s",
			  j->c->unseen ? j->c->unseen : "no reason known"),
		     "look at its MTU, GRO, checksum offload and XDP program there");
		return;
	}
	judge_veth_mtu(j);
	if (j->c->xdp)
		judge_veth_xdp(j);
}

/* ---- addresses ------------------------------------------------------------- */

static void judge_vip(struct judge *j)
{
	const struct pb_mcd_case *c = j->c;
	const struct pb_mcd_facts *d = c->dev;
	int bits = c->vip_is_v4 ? 32 : 128;

	if (c->vip_here == PB_MCD_OFF)
		TODO(find(j, "vip", PB_MCD_FAIL,
			  "%s is no address of this node: nobody answers for it, and the slow path "
			  "gets nothing",
			  c->vip),
		     "ip addr add %s/%d dev lo", c->vip, bits);
	if (c->vip_here == PB_MCD_ON && c->vip_on_dev == PB_MCD_OFF && c->vip_is_v4 &&
	    d->arp_ignore > 0)
		TODO(find(j, "arp", PB_MCD_FAIL,
			  "arp_ignore is %d and %s is not an address of %s: clients on that link get "
			  "no answer to ARP",
			  d->arp_ignore, c->vip, d->name),
		     "sysctl net.ipv4.conf.%s.arp_ignore=0 (and net.ipv4.conf.all)", d->name);
}

/* Of a server behind the other end, as far as that end's namespace tells. */
static void judge_server(struct judge *j)
{
	const struct pb_mcd_case *c = j->c;
	const struct pb_mcd_facts *p = c->peer;

	if (c->vip_at_peer == PB_MCD_OFF)
		TODO(find(j, "lo-vip", PB_MCD_FAIL,
			  "the servers' side (%s) does not have %s: a server there drops what comes "
			  "for it",
			  p->name, c->vip),
		     "there: ip addr add %s/%d dev lo, and memcached -l %s", c->vip,
		     c->vip_is_v4 ? 32 : 128, c->vip);
	if (c->vip_at_peer == PB_MCD_ON && c->vip_is_v4 && p->arp_ignore == 0)
		TODO(find(j, "arp-server", PB_MCD_FAIL,
			  "the servers' side (%s) answers ARP for %s: clients may find it instead of "
			  "the switch",
			  p->name, c->vip),
		     "there: sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
	if (p->rp_filter == 1)
		TODO(find(j, "rp-filter-server", PB_MCD_FAIL,
			  "rp_filter is strict at the servers' side (%s): requests from clients that "
			  "are routed elsewhere are dropped",
			  p->name),
		     "there: sysctl net.ipv4.conf.%s.rp_filter=2 (and net.ipv4.conf.all)", p->name);
}

size_t pb_mcd_judge(const struct pb_mcd_case *c, struct pb_mcd_finding ret[PB_MCD_FINDINGS_MAX])
{
	struct judge j = { .c = c, .f = ret };

	judge_device(&j);
	if (c->xdp)
		judge_xdp(&j);
	if (is_veth(c->dev))
		judge_veth(&j);
	if (c->vip)
		judge_vip(&j);
	if (c->vip && c->l2 && c->peer && c->dev->peer_netns >= 0)
		judge_server(&j);
	return j.n;
}
