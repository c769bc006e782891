// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The words between the agent and patchbay-frames. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <patchbay/addr.h>

#include "control/frames/frames_wire.h"
#include "control/util.h"

static void pair(int fd[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
}

static struct frw_service sample(void)
{
	struct frw_service s = { .name = "mc",
				 .plugin = "memcached",
				 .number = 7,
				 .port = htons(11211),
				 .cache = true,
				 .key = { 0x1234567890abcdefULL, ~0ULL },
				 .n_allow = 2,
				 .n_servers = 3 };

	s.vip = pb_addr_v4(htonl(0x0a090009));
	cr_assert_eq(pb_cidr_parse("10.8.0.0/24", &s.allow[0].net, &s.allow[0].bits), 0);
	cr_assert_eq(pb_cidr_parse("fd08::/64", &s.allow[1].net, &s.allow[1].bits), 0);
	s.server[0] = (struct frw_server){ pb_addr_v4(htonl(0x0a080102)), htons(11211), true };
	s.server[2] = (struct frw_server){ pb_addr_v4(htonl(0x0a080202)), htons(11212), false };
	return s;
}

Test(frames_wire, service_comes_as_it_went)
{
	struct frw_service s = sample(), t;
	json_auto_t *o = frw_service_json(&s);
	char err[PB_ERR_LEN] = "";

	cr_assert_not_null(o);
	cr_assert_eq(frw_service_parse(o, &t, err), 0, "%s", err);
	cr_expect_arr_eq(&s, &t, sizeof(s));
}

Test(frames_wire, unknown_members_are_left_alone)
{
	struct frw_service s = sample(), t;
	json_auto_t *o = frw_service_json(&s);
	char err[PB_ERR_LEN] = "";

	json_object_set_new(o, "of-a-newer-one", json_pack("[i, {s:i}]", 1, "x", 2));
	cr_expect_eq(frw_service_parse(o, &t, err), 0, "%s", err);
}

Test(frames_wire, wrong_services)
{
	static const struct {
		const char *key, *value;
	} wrong[] = {
		{ "name", "\"not a name\"" },
		{ "name", "7" },
		{ "plugin", "\"\"" },
		{ "plugin", "\"a-name-that-is-longer-than-thirty-two-characters\"" },
		{ "vip", "\"10.9.0.9\"" },
		{ "vip", "\"0.0.0.0:11211\"" },
		{ "vip", "\"10.9.0.9:0\"" },
		{ "number", "-1" },
		{ "number", "\"1\"" },
		{ "key", "[\"1\"]" },
		{ "key", "[\"1\",\"12345678901234567\"]" },
		{ "key", "[\"1\",\"xyz\"]" },
		{ "allow", "{}" },
		{ "allow", "[\"10.8.0.0\",5]" },
		{ "servers", "[{\"n\":256,\"at\":\"10.8.1.2:1\"}]" },
		{ "servers", "[{\"n\":-1,\"at\":\"10.8.1.2:1\"}]" },
		{ "servers", "[{\"n\":\"0\",\"at\":\"10.8.1.2:1\"}]" },
		{ "servers", "[{\"n\":0,\"at\":\"10.8.1.2\"}]" },
		{ "servers", "[{\"n\":0}]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct frw_service s = sample(), t;
		json_auto_t *o = frw_service_json(&s);
		char err[PB_ERR_LEN] = "";

		json_object_set_new(o, wrong[i].key,
				    json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
		cr_expect_eq(frw_service_parse(o, &t, err), -EINVAL, "%s: %s", wrong[i].key,
			     wrong[i].value);
		cr_expect(strstr(err, wrong[i].key), "%s: %s", wrong[i].key, err);
		json_object_del(o, wrong[i].key);
		cr_expect_eq(frw_service_parse(o, &t, err), -EINVAL, "without %s", wrong[i].key);
	}
}

Test(frames_wire, who_may_come)
{
	struct frw_service s = sample();
	static const struct {
		const char *from;
		bool may;
	} t[] = { { "10.8.0.2", true }, { "10.8.1.2", false },	{ "fd08::2", true },
		  { "fd09::2", false }, { "127.0.0.1", false }, { "10.8.0.255", true } };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct pb_addr a;

		cr_assert_eq(pb_addr_parse(t[i].from, &a), 0);
		cr_expect_eq(frw_allowed(&s, &a), t[i].may, "%s", t[i].from);
	}
	cr_assert_eq(pb_cidr_parse("10.8.0.128/25", &s.allow[0].net, &s.allow[0].bits), 0);
	cr_expect(!frw_allowed(
		&s, &(struct pb_addr){ .w = { 0, 0, htonl(0xffff), htonl(0x0a080002) } }));
	cr_expect(frw_allowed(
		&s, &(struct pb_addr){ .w = { 0, 0, htonl(0xffff), htonl(0x0a080082) } }));
}

Test(frames_wire, descriptors_ride_along)
{
	json_auto_t *o = json_pack("{s:s, s:[ss]}", "op", "service", "fds", "ring", "do");
	int fd[2], p[2], got;
	struct frw_msg m;
	char c = 0;

	pair(fd);
	cr_assert_eq(pipe(p), 0);
	cr_assert_eq(frw_send(fd[0], o, p, 2), 0);
	cr_assert_eq(frw_recv(fd[1], &m), 0);
	cr_expect_eq(m.n_fds, 2);
	cr_expect_eq(frw_take_fd(&m, "listen"), -1);
	got = frw_take_fd(&m, "do");
	cr_assert_geq(got, 0);
	cr_expect_eq(frw_take_fd(&m, "do"), -1, "it was taken");
	cr_expect(fcntl(got, F_GETFD) & FD_CLOEXEC);
	cr_expect_eq(write(got, "x", 1), 1);
	cr_expect_eq(read(p[0], &c, 1), 1);
	frw_msg_free(&m);
	cr_expect_eq(frw_recv(fd[1], &m), -EAGAIN);
	close(fd[0]);
	cr_expect_eq(frw_recv(fd[1], &m), -EPIPE);
}

Test(frames_wire, messages_that_make_no_sense)
{
	static const char *const texts[] = {
		"x", "[]", "7", "{\"a\":1,\"a\":2}", "{\"a\":[[[[[[[[[1]]]]]]]]]}", "{} {}", "{",
	};
	_cleanup_free_ char *big = calloc(1, FRW_MSG_MAX + 16);
	int fd[2], size = 1 << 20;
	struct frw_msg m;

	pair(fd);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cr_assert_gt(send(fd[0], texts[i], strlen(texts[i]), 0), 0);
		cr_expect_eq(frw_recv(fd[1], &m), -EBADMSG, "%s", texts[i]);
	}
	memset(big, ' ', FRW_MSG_MAX + 15);
	memcpy(big, "{}", 2);
	cr_assert_gt(send(fd[0], big, FRW_MSG_MAX + 15, 0), 0);
	cr_expect_eq(frw_recv(fd[1], &m), -EBADMSG, "it is too long");
	cr_assert_gt(send(fd[0], big, FRW_MSG_MAX, 0), 0);
	cr_expect_eq(frw_recv(fd[1], &m), 0, "it is not");
	frw_msg_free(&m);
}

Test(frames_wire, the_longest_service_fits)
{
	_cleanup_free_ struct frw_service *s = calloc(1, sizeof(*s)), *t = calloc(1, sizeof(*t));
	struct frw_service small = sample();
	char err[PB_ERR_LEN];
	struct frw_msg m;
	int fd[2];

	*s = small;
	memset(s->name, 'n', sizeof(s->name) - 1);
	pb_addr_parse("fd12:3456:789a:bcde:fedc:ba98:7654:3210", &s->vip);
	s->n_allow = FRW_ALLOW_MAX;
	for (unsigned i = 0; i < FRW_ALLOW_MAX; i++)
		s->allow[i] = (struct frw_net){ s->vip, 128 };
	s->n_servers = PB_MC_SERVERS_MAX;
	for (unsigned i = 0; i < PB_MC_SERVERS_MAX; i++)
		s->server[i] = (struct frw_server){ s->vip, htons(65535), false };
	pair(fd);
	json_auto_t *o = json_pack("{s:s, s:o}", "op", "service", "service", frw_service_json(s));

	cr_assert_eq(frw_send(fd[0], o, NULL, 0), 0);
	cr_assert_eq(frw_recv(fd[1], &m), 0);
	cr_expect_eq(frw_service_parse(json_object_get(m.json, "service"), t, err), 0, "%s", err);
	cr_expect_arr_eq(s, t, sizeof(*s));
	frw_msg_free(&m);
}

Test(frames_wire, answers)
{
	json_auto_t *no = frw_error(-EADDRINUSE, "it cannot listen at %s", "10.9.0.9:11211");
	json_auto_t *other = json_pack("{s:b, s:{s:s}}", "ok", 0, "error", "errno", "EWHAT");
	json_auto_t *yes = json_pack("{s:b}", "ok", 1), *nothing = json_object();
	const char *text;

	cr_expect_eq(frw_answer(no, &text), -EADDRINUSE);
	cr_expect_str_eq(text, "it cannot listen at 10.9.0.9:11211");
	cr_expect_eq(frw_answer(other, &text), -EIO);
	cr_expect_eq(frw_answer(nothing, &text), -EIO);
	cr_expect_eq(frw_answer(yes, &text), 0);
}

/* ---- tables -------------------------------------------------------------- */

static struct pb_mc_ring *table(void)
{
	struct pb_mc_ring *r = calloc(1, sizeof(*r));

	cr_assert_not_null(r);
	r->kind = PB_MC_MAGLEV;
	r->n = PB_MC_SLOTS;
	r->servers = 3;
	for (unsigned i = 0; i < PB_MC_SLOTS; i++)
		r->slot[i] = (uint16_t)(i % 3);
	return r;
}

Test(frames_wire, a_table_comes_as_it_went_and_nobody_changes_it)
{
	_cleanup_free_ struct pb_mc_ring *r = table(), *got = NULL;
	int fd = frw_ring_fd(r);

	cr_assert_geq(fd, 0);
	cr_expect_lt(ftruncate(fd, 0), 0);
	cr_expect_lt(write(fd, "x", 1), 0);
	cr_assert_eq(frw_ring_read(fd, 3, &got), 0);
	cr_expect_arr_eq(r, got, sizeof(*r));
	free(TAKE_PTR(got));
	cr_expect_eq(frw_ring_read(fd, 2, &got), -EBADMSG, "server 2 is not there");
	close(fd);
}

Test(frames_wire, tables_that_make_no_sense)
{
	_cleanup_free_ struct pb_mc_ring *r = table(), *got = NULL;
	int fd = memfd_create("short", 0), p[2];

	cr_assert_eq(ftruncate(fd, sizeof(*r) - 1), 0);
	cr_expect_eq(frw_ring_read(fd, 3, &got), -EBADMSG);
	cr_assert_eq(pipe(p), 0);
	cr_expect_eq(frw_ring_read(p[0], 3, &got), -EBADMSG);
	r->n = PB_MC_SLOTS + 1;
	cr_expect(!frw_ring_sound(r, 3));
	r->n = PB_MC_SLOTS;
	r->kind = 2;
	cr_expect(!frw_ring_sound(r, 3));
	r->kind = PB_MC_KETAMA;
	r->hash = PB_MC_HASHES;
	cr_expect(!frw_ring_sound(r, 3));
	r->hash = 0;
	r->n = 2;
	r->point[0] = (struct pb_mc_point){ .value = 5, .server = 0 };
	r->point[1] = (struct pb_mc_point){ .value = 4, .server = 1 };
	cr_expect(!frw_ring_sound(r, 3), "not sorted");
	r->point[1].value = 6;
	cr_expect(frw_ring_sound(r, 3));
	r->point[1].server = PB_MC_NOBODY;
	cr_expect(frw_ring_sound(r, 3));
}
