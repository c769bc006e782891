// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services as text: what is taken, what is refused and where, words, defaults. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/memcached/service.h"
#include "control/util.h"

#define BASE "\"name\":\"web\",\"vip\":\"10.9.0.9:11211\",\"devices\":[\"eth0\"]"
#define WHOLE BASE ",\"backends\":[\"10.0.0.1:11211\",\"10.0.0.2:11211*3=b\"]"

static char err[PB_ERR_LEN];

static struct mcs_service *read_one(const char *text)
{
	struct mcs_service *s = NULL;
	size_t n = 0;

	*err = '\0';
	if (mcs_from_text(text, strlen(text), &s, 1, &n, err))
		return NULL;
	cr_assert_eq(n, 1);
	return s;
}

Test(memcached_service, defaults)
{
	_cleanup_(mcs_freep) struct mcs_service *s = read_one("{" WHOLE "}");

	cr_assert(s, "%s", err);
	cr_expect_str_eq(s->name, "web");
	cr_expect_eq(s->n_backends, 2);
	cr_expect_eq(s->backend[1].weight, 3);
	cr_expect_str_eq(s->backend[1].name, "b");
	cr_expect_eq(ntohs(s->port), 11211);
	cr_expect_eq(s->dsr, MCS_NAT);
	cr_expect_eq(s->hash, MCS_MAGLEV);
	cr_expect(s->failover);
	cr_expect(s->tcp);
	cr_expect_eq(s->writers, MCS_WRITERS_ANY);
	cr_expect_eq(s->cache, MCS_CACHE_AUTO);
	cr_expect_eq(mcs_cache_bytes(s), 0, "somebody may write past the switch");
	cr_expect_eq(mcs_max_age(s), 1000);
	cr_expect_eq(s->device[0].mode, MCS_AUTO);
	cr_expect_not(s->allow_given);
}

Test(memcached_service, every_key)
{
	_cleanup_(mcs_freep) struct mcs_service *s = read_one(
		"{" BASE ",\"backends\":[\"service:Mem:11212*2\"],\"gutter\":[\"10.0.0.9:1\"],"
		"\"source\":\"10.0.0.5\",\"hash\":\"ketama\",\"dialect\":\"spymemcached\","
		"\"key_hash\":\"crc32a\",\"hash_tag\":\"{}\",\"cache\":\"3M\","
		"\"cache_unsafe_ttl\":7,\"admit\":9,\"max_age\":50,\"allow\":[\"10.0.0.0/8\"],"
		"\"rate\":65536,\"failover\":\"off\",\"probe_interval\":100,"
		"\"probe_timeout\":60,\"probe_threshold\":2,\"type\":\"memcached\"}");

	cr_assert(s, "%s", err);
	cr_expect_str_eq(s->backend[0].service, "mem");
	cr_expect_eq(ntohs(s->backend[0].port), 11212);
	cr_expect(s->backend[1].gutter);
	cr_expect_eq(s->dialect, MCR_SPYMEMCACHED);
	cr_expect_eq(s->key_hash, PB_MC_H_CRC32A);
	cr_expect_eq(s->cache, 3u << 20);
	cr_expect_eq(mcs_max_age(s), 7);
	cr_expect_null(mcs_cache_why_not(s));
	cr_expect_not(s->failover);
	cr_expect_eq(s->n_allow, 1);
	cr_expect_eq(s->allow[0].bits, 104);
}

/* The hash of the keys follows the dialect unless it is said. */
Test(memcached_service, hash_of_the_dialect)
{
	static const struct {
		const char *dialect;
		unsigned hash;
	} t[] = { { "twemproxy", PB_MC_H_FNV1A_64 },
		  { "libmemcached", PB_MC_H_ONE_AT_A_TIME },
		  { "libmemcached-weighted", PB_MC_H_MD5 },
		  { "spymemcached", PB_MC_H_MD5 } };

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_(mcs_freep) struct mcs_service *s = NULL;
		char text[512];

		snprintf(text, sizeof(text), "{" WHOLE ",\"hash\":\"ketama\",\"dialect\":\"%s\"}",
			 t[i].dialect);
		s = read_one(text);
		cr_assert(s, "%s", err);
		cr_expect_eq(s->key_hash, t[i].hash, "%s", t[i].dialect);
	}
}

Test(memcached_service, errors_name_their_place)
{
	static const struct {
		const char *text, *said;
	} t[] = {
		{ "{" WHOLE ",\"colour\":1}", "colour: there is no such key" },
		{ "{" BASE "}", "backends: is missing" },
		{ "{" BASE ",\"backends\":[]}", "backends: at least one" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1\",7]}", "backends[1]: must be a string" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1\",\"10.0.0.2\"]}", "backends[1]: '10.0" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1*0\"]}", "weight is a number" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1*101\"]}", "weight is a number" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1\",\"10.0.0.1:1*2\"]}", "twice" },
		{ "{" BASE ",\"backends\":[\"[fd00::1]:1\"]}", "not of the address family" },
		{ "{" BASE ",\"backends\":[\"10.9.0.9:11211\"]}", "the service itself" },
		{ "{" BASE ",\"backends\":[\"10.0.0.1:1\"],\"dsr\":\"l2\"}", "port of vip" },
		{ "{" BASE ",\"backends\":[\"service:a=b\"]}", "has no name for the ring" },
		{ "{" WHOLE ",\"dsr\":\"l3\"}", "dsr: must be one of nat, l2" },
		{ "{" WHOLE ",\"dialect\":\"twemproxy\"}", "counts with hash ketama only" },
		{ "{" WHOLE ",\"cache\":\"64X\"}", "cache: must be a size" },
		{ "{" WHOLE ",\"cache\":5}", "cache: must be from" },
		{ "{" WHOLE ",\"admit\":\"3\"}", "admit: must be a whole number" },
		{ "{" WHOLE ",\"admit\":-3}", "admit: must be a whole number" },
		{ "{" WHOLE ",\"admit\":0}", "admit: must be from 1" },
		{ "{" WHOLE ",\"hash_tag\":\"abc\"}", "two characters" },
		{ "{" WHOLE ",\"allow\":[\"10.0.0.1/8\"]}", "allow[0]:" },
		{ "{" WHOLE ",\"source\":\"fd00::1\"}", "source: is not of the address family" },
		{ "{" WHOLE ",\"name\":\"x\"}", "line 1: duplicate" },
		{ "{" WHOLE ",\"type\":\"http\"}", "type: there is no such key" },
		{ "[{" WHOLE "},{}]", "[1]: name: is missing" },
		{ "{", "line 1:" },
		{ "7", "line 1:" },
		{ "[[[[[[[[[[", "nested deeper" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct mcs_service *s[2] = { NULL };
		size_t n = 0;

		*err = '\0';
		cr_expect(mcs_from_text(t[i].text, strlen(t[i].text), s, 2, &n, err), "%s",
			  t[i].text);
		cr_expect_eq(n, 0);
		cr_expect(strstr(err, t[i].said), "%s: %s", t[i].text, err);
	}
}

Test(memcached_service, written_as_read)
{
	static const char *const texts[] = {
		"{" WHOLE "}",
		"{" WHOLE ",\"cache\":\"64M\",\"rate\":\"off\",\"allow\":[]}",
		"{" WHOLE ",\"hash\":\"ketama\",\"key_hash\":\"md5\"}",
		"{" BASE ",\"backends\":[\"service:a\",\"service:b:9*4\"]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(mcs_freep) struct mcs_service *s = read_one(texts[i]), *t = NULL;
		json_t *o = mcs_to_json(s, false);

		t = mcs_from_json(o, err);
		cr_assert(t, "%s", err);
		cr_expect_eq(memcmp(s, t, sizeof(*s)), 0, "%s", texts[i]);
		json_decref(o);
	}
}

Test(memcached_service, words)
{
	_cleanup_(mcs_freep) struct mcs_service *s = NULL;
	json_t *o = json_object();

	cr_expect_eq(mcs_set_word(o, "name", "web", err), 0);
	cr_expect_eq(mcs_set_word(o, "vip", "10.9.0.9:11211", err), 0);
	cr_expect_eq(mcs_set_word(o, "backends", "10.0.0.1:1,10.0.0.2:2*2", err), 0);
	cr_expect_eq(mcs_set_word(o, "devices", "eth0,eth1=tc", err), 0);
	cr_expect_eq(mcs_set_word(o, "admit", "5", err), 0);
	cr_expect_eq(mcs_set_word(o, "cache", "64M", err), 0);
	cr_expect_eq(mcs_set_word(o, "cache", "", err), 0);
	cr_expect_neq(mcs_set_word(o, "admit", "many", err), 0);
	cr_expect_neq(mcs_set_word(o, "colour", "red", err), 0);
	s = mcs_from_json(o, err);
	cr_assert(s, "%s", err);
	cr_expect_eq(s->n_backends, 2);
	cr_expect_eq(s->device[1].mode, MCS_TC);
	cr_expect_eq(s->admit, 5);
	cr_expect_eq(s->cache, MCS_CACHE_AUTO);
	json_decref(o);
}

/* Until all writers are seen the cache is off, and says why. */
Test(memcached_service, cache_needs_a_word)
{
	_cleanup_(mcs_freep) struct mcs_service *s = read_one("{" WHOLE ",\"cache\":\"64M\"}");

	cr_assert(s);
	cr_assert(mcs_cache_why_not(s));
	cr_expect(strstr(mcs_cache_why_not(s), "cache_unsafe_ttl"));
	s->unsafe_ttl = 5000;
	cr_expect_null(mcs_cache_why_not(s));
	cr_expect_eq(mcs_max_age(s), 5000);
	s->max_age = 300;
	cr_expect_eq(mcs_max_age(s), 300);
	s->max_age = 0;
	s->unsafe_ttl = 0;
	s->cache = 0;
	cr_expect_null(mcs_cache_why_not(s));
}

/* A cache by itself where both halves are the switch's and nobody writes past it. */
Test(memcached_service, cache_where_all_writers_pass)
{
	static const struct {
		const char *more;
		uint64_t bytes;
		const char *off;
	} t[] = {
		{ "", 0, "writers=switch" },
		{ ",\"writers\":\"switch\"", MCS_CACHE_SIZE, NULL },
		{ ",\"writers\":\"switch\",\"tcp\":\"off\"", 0, "tcp is off" },
		{ ",\"writers\":\"switch\",\"cache\":\"off\"", 0, "not asked for" },
		{ ",\"writers\":\"switch\",\"cache\":\"64M\"", 64 << 20, NULL },
		{ ",\"writers\":\"any\",\"cache\":\"64M\"", 0, "writers=switch" },
		{ ",\"cache\":\"64M\",\"cache_unsafe_ttl\":5", 64 << 20, NULL },
		{ ",\"cache_unsafe_ttl\":5", 0, "writers=switch" },
		{ ",\"cache\":\"auto\",\"writers\":\"switch\"", MCS_CACHE_SIZE, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		_cleanup_(mcs_freep) struct mcs_service *s = NULL;
		char text[512];

		snprintf(text, sizeof(text), "{" WHOLE "%s}", t[i].more);
		s = read_one(text);
		cr_assert(s, "%s: %s", t[i].more, err);
		cr_expect_eq(mcs_cache_bytes(s), t[i].bytes, "%s", t[i].more);
		if (t[i].off)
			cr_expect(strstr(mcs_cache_off(s), t[i].off), "%s: %s", t[i].more,
				  mcs_cache_off(s));
		else
			cr_expect_null(mcs_cache_off(s), "%s", t[i].more);
	}
}
