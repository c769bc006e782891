/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The simplest engine that a frame plugin can have: one client, one call after the other, the bytes of
 * both sides shown to the plugin in pieces of random size.  It also judges the plugin: what a short
 * view made it say MORE to must be the same message in a longer one.
 */
#ifndef PB_TEST_FRAME_DRIVE_H
#define PB_TEST_FRAME_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <patchbay/frame.h>

struct fdr_buf {
	uint8_t *p;
	size_t len;
	size_t cap;
};

struct fdr_ops {
	/* Sends a request; false: the connection is lost. */
	bool (*send)(void *arg, uint32_t server, const void *data, size_t n);
	/* More of the reply: bytes; 0: lost; -1: none in time. */
	ssize_t (*recv)(void *arg, uint32_t server, void *data, size_t cap);
	/* A call is about to be made.  May be NULL. */
	void (*call)(void *arg, uint32_t server, const struct pb_frame_send *send);
	/* The cached value; may be NULL. */
	bool (*lookup)(void *arg, const struct pb_frame_send *send, struct pb_frame_view *ret);
};

struct fdr {
	const struct pb_frame_plugin *plugin;
	const struct fdr_ops *ops;
	void *arg;
	struct pb_frame_conn conn;
	struct pb_frame_ens ens;
	struct pb_frame_server server[PB_FRAME_SERVERS_MAX];
	void *work;
	struct fdr_buf in;
	struct fdr_buf link[PB_FRAME_SERVERS_MAX]; /* what a server said and is not read */
	struct fdr_buf out;			   /* for the client */
	uint64_t seed;				   /* 0: all bytes at once */
	bool ended;				   /* the client's connection */
	uint32_t frames;
	uint32_t calls;
	char wrong[128]; /* what the plugin did that it must not; empty: nothing */
};

void fdr_init(struct fdr *d, const struct pb_frame_plugin *plugin, const struct fdr_ops *ops,
	      void *arg, uint32_t servers, const void *policy);
void fdr_free(struct fdr *d);
/* Bytes of the client; what can be done with them is done. */
void fdr_feed(struct fdr *d, const void *data, size_t n);
void fdr_put(struct fdr_buf *b, const void *data, size_t n);
void fdr_drop(struct fdr_buf *b, size_t n);
/* The bytes that @cut makes of @src. */
void fdr_cut(struct fdr_buf *to, const struct pb_frame_cut *cut, const uint8_t *src, size_t len);

#endif /* PB_TEST_FRAME_DRIVE_H */
