/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends become connections, and connections become JSON. */
#include "test_flows.h"

TestSuite(flows, .init = init, .fini = fini);

/* ---- join ---- */

Test(flows, ends_are_joined)
{
	struct pb_flow r[] = { server(2, L4), client(1, L4),	client(2, L4),
			       server(1, L4), server(3, "::1"), client(3, "::1") };

	join(r, ARRAY_SIZE(r));
	cr_assert_eq(n_pairs, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(pairs[i].end[PB_SPL_CLIENT] && pairs[i].end[PB_SPL_SERVER]);
		cr_expect_eq(pairs[i].end[PB_SPL_CLIENT]->cookie, 1001 + i);
		cr_expect_eq(pairs[i].end[PB_SPL_SERVER]->cookie, 2001 + i);
	}
}

Test(flows, nothing)
{
	join(NULL, 0);
	cr_expect_eq(n_pairs, 0);
}

Test(flows, another_namespace_is_another_connection)
{
	struct pb_flow r[] = { client(1, L4), server(1, L4) };

	r[1].netns = 8;
	join(r, 2);
	cr_expect_eq(n_pairs, 2);
}

Test(flows, another_family_is_another_connection)
{
	struct pb_flow r[] = { client(1, L4), server(1, "::1") };

	join(r, 2);
	cr_expect_eq(n_pairs, 2);
}

Test(flows, a_socket_counts_once)
{
	struct pb_flow r[] = { client(1, L4), server(1, L4), client(1, L4), server(1, L4),
			       server(1, L4) };

	join(r, ARRAY_SIZE(r));
	cr_assert_eq(n_pairs, 1);
	cr_expect(pairs[0].end[PB_SPL_CLIENT] && pairs[0].end[PB_SPL_SERVER]);
}

Test(flows, a_socket_connected_to_itself)
{
	struct pb_flow r[] = { client(1, L4) };

	r[0].rport = r[0].lport;
	join(r, 1);
	cr_expect_eq(n_pairs, 1);
}

Test(flows, sorted_for_people)
{
	struct pb_flow r[] = { client(3, L4), client(2, L4), client(1, L4) };

	r[0].vpport = htons(79);
	join(r, 3);
	cr_assert_eq(n_pairs, 3);
	cr_expect_eq(pairs[0].end[0]->cookie, 1003);
	cr_expect_eq(pairs[1].end[0]->cookie, 1001);
	cr_expect_eq(pairs[2].end[0]->cookie, 1002);
}

Test(flows, many)
{
	size_t n = 40000;
	struct pb_flow *r = calloc(n, sizeof(*r));

	cr_assert(r);
	for (unsigned i = 0; i < n / 2; i++) {
		unsigned at = (i * 7919u) % (unsigned)(n / 2); /* scattered: the factor is prime */

		r[at] = client(i, L4);
		r[n - 1 - at] = server(i, L4);
	}
	join(r, n);
	cr_expect_eq(n_pairs, n / 2);
	for (size_t i = 0; i < n_pairs; i++)
		cr_assert(pairs[i].end[0] && pairs[i].end[1]);
	free(r);
}

/* ---- state ---- */

static const char *state_of(unsigned c, unsigned s)
{
	struct pb_flow r[] = { client(1, L4), server(1, L4) };

	r[0].state = (__u8)c;
	r[1].state = (__u8)s;
	join(c ? r : r + 1, !!c + !!s);
	cr_assert_eq(n_pairs, 1);
	return pb_flow_state(&pairs[0]);
}

Test(flows, states)
{
	cr_expect_str_eq(state_of(PB_FLOW_ESTABLISHED, PB_FLOW_ESTABLISHED), "established");
	cr_expect_str_eq(state_of(PB_FLOW_FIN_WAIT2, PB_FLOW_CLOSE_WAIT), "client-closed");
	cr_expect_str_eq(state_of(PB_FLOW_FIN_WAIT1, PB_FLOW_ESTABLISHED), "client-closed");
	cr_expect_str_eq(state_of(PB_FLOW_CLOSE_WAIT, PB_FLOW_FIN_WAIT2), "server-closed");
	cr_expect_str_eq(state_of(PB_FLOW_LAST_ACK, 0), "closing");
	cr_expect_str_eq(state_of(PB_FLOW_CLOSING, PB_FLOW_CLOSING), "closing");
	/* one end alone tells about both */
	cr_expect_str_eq(state_of(0, PB_FLOW_CLOSE_WAIT), "client-closed");
	cr_expect_str_eq(state_of(PB_FLOW_CLOSE_WAIT, 0), "server-closed");
	cr_expect_str_eq(state_of(0, PB_FLOW_FIN_WAIT2), "server-closed");
}

/* ---- JSON ---- */

static const char *text(json_t *o, const char *a, const char *b)
{
	return json_string_value(json_object_get(json_object_get(o, a), b));
}

Test(flows, json_of_both_ends)
{
	struct pb_flow r[] = { client(1, L4), server(1, L4) };
	json_t *o;

	r[0].family = r[1].family = PB_AF_INET6; /* v4-mapped sockets */
	set_end(&r[0], OPEN(SENT));
	set_end(&r[1], OPEN());
	join(r, 2);
	o = pb_flow_json(&pairs[0], reg);
	cr_assert_not_null(o);
	cr_expect_str_eq(text(o, "client", "app"), "cli");
	cr_expect_str_eq(text(o, "client", "ref"), "11");
	cr_expect_str_eq(text(o, "client", "address"), "10.9.0.2:40001");
	cr_expect_str_eq(text(o, "client", "real"), "127.0.0.1:40001");
	cr_expect_str_eq(text(o, "client", "family"), "mapped");
	cr_expect_str_eq(text(o, "client", "state"), "established");
	cr_expect_str_eq(text(o, "server", "app"), "srv");
	cr_expect_str_eq(text(o, "server", "address"), "10.9.0.1:80");
	cr_expect_str_eq(text(o, "server", "real"), "127.0.0.1:33000");
	cr_expect_str_eq(text(o, "to_server", "reason"), "spliced");
	cr_expect_str_eq(text(o, "to_server", "text"), "local connection: bytes bypass the stack");
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(o, "to_server"), "bytes")),
		     30);
	cr_expect(json_is_true(json_object_get(json_object_get(o, "to_client"), "ready")));
	cr_expect(json_is_true(json_object_get(o, "spliced")));
	cr_expect_eq(json_integer_value(json_object_get(o, "netns")), 7);
	json_decref(o);
}

/* The other end is on another machine, or unmanaged: an address, and nothing else is known. */
Test(flows, json_of_one_end)
{
	struct pb_flow r[] = { client(1, "2001:db8::1") };
	json_t *o, *server_end;

	r[0].flags = 0;
	r[0].peer = 0;
	r[0].family = PB_AF_INET6;
	r[0].remote = A("2001:db8::2");
	join(r, 1);
	o = pb_flow_json(&pairs[0], reg);
	server_end = json_object_get(o, "server");
	cr_expect_str_eq(text(o, "client", "app"), "cli");
	cr_expect_str_eq(text(o, "client", "address"), "[2001:db8::1]:40001");
	cr_expect_str_eq(text(o, "client", "family"), "ipv6");
	cr_expect_str_eq(text(o, "server", "address"), "[2001:db8::2]:33000");
	cr_expect(json_is_null(json_object_get(server_end, "app")));
	cr_expect(json_is_null(json_object_get(server_end, "ref")));
	cr_expect(json_is_null(json_object_get(server_end, "cookie")));
	cr_expect(json_is_null(json_object_get(server_end, "state")));
	cr_expect(json_is_null(json_object_get(json_object_get(o, "to_client"), "bytes")));
	json_decref(o);
}

/* The server's socket is gone: its name is still known to the client's end. */
Test(flows, json_of_a_server_that_has_gone)
{
	struct pb_flow r[] = { client(1, L4) };
	json_t *o;

	r[0].state = PB_FLOW_CLOSE_WAIT;
	join(r, 1);
	o = pb_flow_json(&pairs[0], reg);
	cr_expect_str_eq(text(o, "server", "app"), "srv");
	cr_expect_str_eq(text(o, "server", "address"), "10.9.0.1:80");
	cr_expect_str_eq(json_string_value(json_object_get(o, "state")), "server-closed");
	json_decref(o);
}

/* A scope that is no more has a ref, but no name. */
Test(flows, json_of_a_scope_that_has_gone)
{
	struct pb_flow r[] = { client(1, L4), server(1, L4) };
	json_t *o;

	cr_assert_eq(pb_registry_release(reg, CLI), 0);
	join(r, 2);
	o = pb_flow_json(&pairs[0], reg);
	cr_expect(json_is_null(json_object_get(json_object_get(o, "client"), "app")));
	cr_expect_str_eq(text(o, "client", "ref"), "11");
	json_decref(o);
}
