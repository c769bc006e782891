/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams between two nodes: who is known to whom, whatever their size. */
#include "hello.h"

TestSuite(hello, .timeout = 200);

Test(hello, ipv4)
{
	talk(&(struct talk){ .family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:" });
}

Test(hello, ipv6)
{
	talk(&(struct talk){ .family = AF_INET6, .ip = "fd09::1", .server_sees = "[fd09::2]:" });
}

Test(hello, mapped)
{
	talk(&(struct talk){
		.family = AF_INET6, .ip = "10.9.0.1", .server_sees = "[::ffff:10.9.0.2]:" });
}

Test(hello, not_connected)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:", .loose = true });
}

Test(hello, not_connected_ipv6)
{
	talk(&(struct talk){
		.family = AF_INET6, .ip = "fd09::1", .server_sees = "[fd09::2]:", .loose = true });
}

Test(hello, bound)
{
	talk(&(struct talk){ .family = AF_INET,
			     .ip = "10.9.0.1",
			     .server_sees = "10.9.0.2:7000",
			     .bound = "10.9.0.2",
			     .loose = true });
}

Test(hello, bound_and_connected)
{
	talk(&(struct talk){ .family = AF_INET6,
			     .ip = "fd09::1",
			     .server_sees = "[fd09::2]:7000",
			     .bound = "fd09::2" });
}

Test(hello, loopback_of_one_application)
{
	talk(&(struct talk){ .family = AF_INET,
			     .ip = "127.0.0.1",
			     .server_sees = "10.9.0.2:",
			     .ns = 4711,
			     .only_lo = true });
}

/* ---- sizes ---------------------------------------------------------------- */

Test(hello, as_long_as_the_wire_takes)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:", .size = 1472 });
}

Test(hello, as_long_as_the_wire_takes_ipv6)
{
	talk(&(struct talk){
		.family = AF_INET6, .ip = "fd09::1", .server_sees = "[fd09::2]:", .size = 1452 });
}

Test(hello, fragments)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:", .size = 20000 });
}

Test(hello, fragments_ipv6)
{
	talk(&(struct talk){
		.family = AF_INET6, .ip = "fd09::1", .server_sees = "[fd09::2]:", .size = 20000 });
}

Test(hello, empty)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:", .size = 1 });
}

Test(hello, segments)
{
	talk(&(struct talk){ .family = AF_INET,
			     .ip = "10.9.0.1",
			     .server_sees = "10.9.0.2:",
			     .size = 5000,
			     .segment = 500 });
}

Test(hello, segments_ipv6)
{
	talk(&(struct talk){ .family = AF_INET6,
			     .ip = "fd09::1",
			     .server_sees = "[fd09::2]:",
			     .size = 5000,
			     .segment = 500 });
}

Test(hello, checksums_by_software)
{
	talk(&(struct talk){ .family = AF_INET,
			     .ip = "10.9.0.1",
			     .server_sees = "10.9.0.2:",
			     .no_offload = true });
}

Test(hello, checksums_by_software_ipv6)
{
	talk(&(struct talk){ .family = AF_INET6,
			     .ip = "fd09::1",
			     .server_sees = "[fd09::2]:",
			     .no_offload = true,
			     .size = 3001 });
}

/* ---- refused -------------------------------------------------------------- */

Test(hello, policy_refuses)
{
	talk(&(struct talk){ .family = AF_INET, .ip = "10.9.0.1", .grp = 2, .err = ECONNREFUSED });
}

Test(hello, another_key)
{
	talk(&(struct talk){ .family = AF_INET, .ip = "10.9.0.1", .key = 97, .err = ECONNREFUSED });
}

Test(hello, loopback_of_others)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .only_lo = true, .err = ECONNREFUSED });
}

/* What comes too early is lost, as datagrams may be, but nobody is refused. */
Test(hello, announced_late)
{
	talk(&(struct talk){
		.family = AF_INET, .ip = "10.9.0.1", .server_sees = "10.9.0.2:", .late = true });
}
