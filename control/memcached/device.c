/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Facts about a device: rtnetlink, the netdev family of generic netlink, ethtool, sysctls. */
#include "device.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../util.h"
#include "device_internal.h"

/* linux/netdev.h, which Linux 6.3 brought */
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
#define XDP_ACT_BASIC 1u
#define XDP_ACT_REDIRECT 2u
#define XDP_ACT_RX_SG 32u

#define ANSWER_S 2

/* ---- netlink --------------------------------------------------------------- */

static struct mnl_socket *open_netlink(int bus)
{
	struct timeval tv = { .tv_sec = ANSWER_S };
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!nl)
		return NULL;
	if (!mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) &&
	    !setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		return nl;
	mnl_socket_close(nl);
	return NULL;
}

/* One request, one answer into @buf. */
static int transact(int bus, struct nlmsghdr *h, char *buf, size_t size, mnl_cb_t cb, void *arg)
{
	struct mnl_socket *nl = open_netlink(bus);
	ssize_t n;
	int err = 0;

	if (!nl)
		return -errno;
	h->nlmsg_seq = 1;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		err = -errno;
	n = err ? 0 : mnl_socket_recvfrom(nl, buf, size);
	if (!err &&
	    (n < 0 || mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), cb, arg) < 0))
		err = -errno;
	mnl_socket_close(nl);
	return err;
}

static bool fits(const struct nlattr *a, size_t n)
{
	return mnl_attr_get_payload_len(a) >= n;
}

static void read_kind(const struct nlattr *info, struct pb_mcd_facts *f)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info) if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
					      mnl_attr_validate(a, MNL_TYPE_STRING) >= 0)
		snprintf(f->kind, sizeof(f->kind), "%s", mnl_attr_get_str(a));
}

static void read_xdp(const struct nlattr *xdp, struct pb_mcd_facts *f)
{
	const struct nlattr *a;
	unsigned at = XDP_ATTACHED_NONE;

	mnl_attr_for_each_nested(a, xdp) if (mnl_attr_get_type(a) == IFLA_XDP_ATTACHED &&
					     fits(a, 1)) at = mnl_attr_get_u8(a);
	f->xdp_native = at == XDP_ATTACHED_DRV || at == XDP_ATTACHED_MULTI;
	f->xdp_generic = at == XDP_ATTACHED_SKB || at == XDP_ATTACHED_MULTI;
}

static int read_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct pb_mcd_facts *f = arg;
	const struct nlattr *a;

	f->up = i->ifi_flags & IFF_UP;
	f->ethernet = i->ifi_type == ARPHRD_ETHER;
	mnl_attr_for_each(a, h, sizeof(*i))
	{
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(a, MNL_TYPE_STRING) >= 0)
				snprintf(f->name, sizeof(f->name), "%s", mnl_attr_get_str(a));
			break;
		case IFLA_MTU: f->mtu = fits(a, 4) ? mnl_attr_get_u32(a) : 0; break;
		case IFLA_LINK: f->peer = fits(a, 4) ? mnl_attr_get_u32(a) : 0; break;
		case IFLA_LINK_NETNSID:
			f->peer_netns = fits(a, 4) ? (int)mnl_attr_get_u32(a) : PB_MCD_NO_PEER;
			break;
		case IFLA_LINKINFO: read_kind(a, f); break;
		case IFLA_XDP: read_xdp(a, f); break;
		}
	}
	return MNL_CB_STOP;
}

static int look_link(struct pb_mcd_facts *f)
{
	char buf[32768];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *i;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	i->ifi_family = AF_UNSPEC;
	i->ifi_index = (int)f->ifindex;
	f->peer_netns = PB_MCD_SAME_NETNS;
	return transact(NETLINK_ROUTE, h, buf, sizeof(buf), read_link, f);
}

/* ---- what the driver can do by XDP ----------------------------------------- */

static int read_family(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr)) if (mnl_attr_get_type(a) ==
								       CTRL_ATTR_FAMILY_ID &&
							       fits(a, 2)) *
		(unsigned *)arg = mnl_attr_get_u16(a);
	return MNL_CB_STOP;
}

static unsigned netdev_family(void)
{
	char buf[8192];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;
	unsigned id = 0;

	h->nlmsg_type = GENL_ID_CTRL;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = CTRL_CMD_GETFAMILY;
	g->version = 1;
	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, "netdev");
	return transact(NETLINK_GENERIC, h, buf, sizeof(buf), read_family, &id) ? 0 : id;
}

static int read_features(const struct nlmsghdr *h, void *arg)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct genlmsghdr)) if (mnl_attr_get_type(a) ==
								       NETDEV_A_DEV_XDP_FEATURES &&
							       fits(a, 8)) *
		(uint64_t *)arg = mnl_attr_get_u64(a);
	return MNL_CB_STOP;
}

/* Linux before 6.3 does not say: these have both. */
static const char *const XDP_DRIVERS[] = {
	"virtio_net",	 "veth",      "ixgbe",	 "i40e",      "ice",	 "igb",		  "igc",
	"mlx4_en",	 "mlx5_core", "bnxt_en", "ena",	      "nfp",	 "qede",	  "sfc",
	"thunder-nicvf", "mvneta",    "mvpp2",	 "hv_netvsc", "st_gmac", "fsl_dpaa2_eth",
};

static void look_xdp(struct pb_mcd_facts *f)
{
	unsigned family = netdev_family();
	uint64_t features = ~0ULL;
	char buf[8192];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	h->nlmsg_type = (uint16_t)family;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = NETDEV_CMD_DEV_GET;
	mnl_attr_put_u32(h, NETDEV_A_DEV_IFINDEX, f->ifindex);
	if (family && !transact(NETLINK_GENERIC, h, buf, sizeof(buf), read_features, &features) &&
	    features != ~0ULL) {
		f->can_native = features & XDP_ACT_BASIC ? PB_MCD_ON : PB_MCD_OFF;
		f->can_redirect = features & XDP_ACT_REDIRECT ? PB_MCD_ON : PB_MCD_OFF;
		f->can_frags = features & XDP_ACT_RX_SG ? PB_MCD_ON : PB_MCD_OFF;
		return;
	}
	f->can_by_name = true;
	for (size_t i = 0; i < ARRAY_SIZE(XDP_DRIVERS) && !f->can_native; i++)
		if (!strcmp(f->driver, XDP_DRIVERS[i]))
			f->can_native = f->can_redirect = PB_MCD_ON;
}

/* ---- sysctls --------------------------------------------------------------- */

static int read_int(const char *fmt, const char *name)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[160];
	int v = -1;

	snprintf(path, sizeof(path), fmt, name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &v) != 1)
		return -1;
	return v;
}

/* The larger of the device's own and that of all. */
static int sysctl(const char *name, const char *what)
{
	char fmt[80];
	int own, all;

	snprintf(fmt, sizeof(fmt), "/proc/sys/net/ipv4/conf/%%s/%s", what);
	own = read_int(fmt, name);
	all = read_int(fmt, "all");
	return own > all ? own : all;
}

/* /sys shows the namespace it was mounted in. */
static void look_threaded(struct pb_mcd_facts *f)
{
	int v;

	if (read_int("/sys/class/net/%s/ifindex", f->name) != (int)f->ifindex)
		return;
	v = read_int("/sys/class/net/%s/threaded", f->name);
	if (v >= 0)
		f->threaded = v ? PB_MCD_ON : PB_MCD_OFF;
}

int pb_mcd_look(unsigned ifindex, struct pb_mcd_facts *ret)
{
	int err;

	*ret = (struct pb_mcd_facts){ .ifindex = ifindex };
	err = look_link(ret);
	if (err)
		return err;
	if (strcmp(ret->kind, "veth") != 0) {
		ret->peer = 0;
		ret->peer_netns = PB_MCD_NO_PEER;
	}
	pb_mcd_ethtool(ret);
	look_xdp(ret);
	ret->rp_filter = sysctl(ret->name, "rp_filter");
	ret->arp_ignore = sysctl(ret->name, "arp_ignore");
	look_threaded(ret);
	return 0;
}
