/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object of bpf/memcached.bpf.c: loading, its maps, the tables inside others.  Devices are in
 * memcached_device.c. */
#include "memcached.h"

#include <sys/stat.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "control/util.h"
#include "internal.h"
#include "memcached_internal.h"

#include "memcached.skel.h"

#define PREFIX "pb_mc_"

/* What a program keeps for the packet at hand, or for a moment: not shared with the next build. */
static const char *const scratch[] = { "pb_mc_work", "pb_mc_hops", "pb_mc_room", "pb_mc_known",
				       "pb_mc_multi", "pb_mc_ask" };

static bool is_shared(const char *name)
{
	if (strncmp(name, PREFIX, strlen(PREFIX)) || strchr(name, '.'))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(scratch); i++)
		if (!strcmp(name, scratch[i]))
			return false;
	return true;
}

bool pb_mcl_found(const char *bpffs)
{
	_cleanup_free_ char *path = pb_pin_path(bpffs, pb_map_dir(), PREFIX "services");

	return path && !access(path, F_OK);
}

static int configure(struct pb_mcl *m)
{
	struct bpf_map *map;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	while (1 << m->skel->rodata->pb_mc_cpu_bits < cpus)
		m->skel->rodata->pb_mc_cpu_bits++;
#if defined(__x86_64__) || defined(__s390x__)
	m->skel->rodata->pb_mc_in_order = 1; /* loads are not reordered */
#endif
	bpf_object__for_each_map (map, m->skel->obj) {
		_cleanup_free_ char *path = NULL;
		int err;

		if (!is_shared(bpf_map__name(map)))
			continue;
		path = pb_pin_path(m->bpffs, pb_map_dir(), bpf_map__name(map));
		if (!path)
			return -ENOMEM;
		err = pb_map_check_layout(map, path);
		if (!err)
			err = bpf_map__set_pin_path(map, path);
		if (err)
			return err;
	}
	return 0;
}

/* Nothing was there and the load failed: leave nothing. */
static void unpin(struct pb_mcl *m)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, m->skel->obj) {
		_cleanup_free_ char *path = NULL;

		if (!is_shared(bpf_map__name(map)))
			continue;
		path = pb_pin_path(m->bpffs, pb_map_dir(), bpf_map__name(map));
		if (path)
			unlink(path);
	}
}

/* The group may read them.  An agent that gave up its privileges cannot say so: then root alone. */
static int set_modes(struct pb_mcl *m, gid_t group)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, m->skel->obj) {
		_cleanup_free_ char *path = NULL;
		struct stat st;

		if (!is_shared(bpf_map__name(map)))
			continue;
		path = pb_pin_path(m->bpffs, pb_map_dir(), bpf_map__name(map));
		if (!path)
			return -ENOMEM;
		if (lstat(path, &st))
			return log_err(-errno, "cannot look at %s", path);
		if (st.st_gid != group && lchown(path, -1, group)) {
			if (errno != EPERM)
				return log_err(-errno, "cannot give %s to group %u", path, group);
			log_warn("%s: root alone may read it: %s", path, strerror(errno));
			group = st.st_gid;
		}
		if ((st.st_mode & 07777) != 0640 && chmod(path, 0640))
			return log_err(-errno, "cannot set the mode of %s", path);
	}
	return 0;
}

static int load(struct pb_mcl *m, const struct pb_mcl_opts *opts)
{
	int err = configure(m);

	if (err)
		return err;
	pb_bpf_log_capture();
	err = memcached__load(m->skel);
	pb_bpf_log_finish(err != 0, opts->log_dir);
	if (err) {
		log_err(err, "cannot load object memcached");
		return err == -ENOMEM || err == -EPERM ? err : -EOPNOTSUPP;
	}
	return set_modes(m, opts->group);
}

static void mcl_freep(struct pb_mcl **m)
{
	pb_mcl_free(*m);
}

int pb_mcl_open(struct pb_mcl **ret, const struct pb_mcl_opts *opts)
{
	LIBBPF_OPTS(bpf_object_open_opts, o, .object_name = "memcached");
	_cleanup_(mcl_freep) struct pb_mcl *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->bpffs = strdup(opts->bpffs ? opts->bpffs : PB_BPFFS_DEFAULT);
	if (!m->bpffs)
		return -ENOMEM;
	pb_bpf_log_init();
	m->adopted = pb_mcl_found(m->bpffs);
	m->skel = memcached__open_opts(&o);
	if (!m->skel)
		return log_err(-errno, "cannot open object memcached");
	err = load(m, opts);
	if (err && !m->adopted)
		unpin(m);
	if (err)
		return err;
	*ret = TAKE_PTR(m);
	return 0;
}

void pb_mcl_free(struct pb_mcl *m)
{
	if (!m)
		return;
	memcached__destroy(m->skel); /* takes NULL */
	free(m->bpffs);
	free(m);
}

bool pb_mcl_adopted(const struct pb_mcl *m)
{
	return m->adopted;
}

int pb_mcl_map_fd(const struct pb_mcl *m, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(m->skel->obj, name);

	return fd < 0 ? -ENOENT : fd;
}

struct bpf_program *pb_mcl_prog(const struct pb_mcl *m, const char *name)
{
	return bpf_object__find_program_by_name(m->skel->obj, name);
}

int pb_mcl_prog_fd(const struct pb_mcl *m, const char *name)
{
	struct bpf_program *p = pb_mcl_prog(m, name);

	return p ? bpf_program__fd(p) : -ENOENT;
}

/* ---- tables inside others -------------------------------------------------------- */

struct inner {
	const char *outer;
	const char *name;
	const char *type; /* of the values, as BTF knows it */
	uint32_t size;
	uint32_t flags;
};

static const struct inner rings = { PREFIX "rings", PREFIX "ring", PREFIX "ring",
				    sizeof(struct pb_mc_ring), 0 };
static const struct inner sets_of = { PREFIX "sets", PREFIX "set", PREFIX "set",
				      sizeof(struct pb_mc_set), BPF_F_INNER_MAP };
static const struct inner values_of = { PREFIX "values", PREFIX "value", PREFIX "value",
					sizeof(struct pb_mc_value), BPF_F_INNER_MAP };

/* With types, as its prototype has them: Linux 6.1 does not take it for the same kind without. */
static int create(struct pb_mcl *m, const struct inner *in, uint32_t n)
{
	const struct btf *btf = bpf_object__btf(m->skel->obj);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = in->flags);
	int key = btf__find_by_name_kind(btf, "__u32", BTF_KIND_TYPEDEF);
	int value = btf__find_by_name_kind(btf, in->type, BTF_KIND_STRUCT);

	if (key > 0 && value > 0) {
		opts.btf_fd = (uint32_t)bpf_object__btf_fd(m->skel->obj);
		opts.btf_key_type_id = (uint32_t)key;
		opts.btf_value_type_id = (uint32_t)value;
	}
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, in->name, sizeof(uint32_t), in->size, n, &opts);
}

/* Puts a new table of @n entries into row @service, or takes what is there away: n 0. */
static int swap(struct pb_mcl *m, const struct inner *in, unsigned service, uint32_t n,
		const void *first)
{
	int rows = pb_mcl_map_fd(m, in->outer), err;
	_cleanup_close_ int fd = -1;
	uint32_t key = service, zero = 0;

	if (service >= PB_MC_SERVICES)
		return -EINVAL;
	if (rows < 0)
		return rows;
	if (!n) {
		err = bpf_map_delete_elem(rows, &key);
		return err == -ENOENT ? 0 : err;
	}
	fd = create(m, in, n);
	if (fd < 0)
		return log_err(fd, "cannot make a table of %s", in->outer);
	err = first ? bpf_map_update_elem(fd, &zero, first, BPF_ANY) : 0;
	if (!err)
		err = bpf_map_update_elem(rows, &key, &fd, BPF_ANY);
	return err ? log_err(err, "cannot put a table into %s", in->outer) : 0;
}

int pb_mcl_ring(struct pb_mcl *m, unsigned service, const struct pb_mc_ring *ring)
{
	return swap(m, &rings, service, ring ? 1 : 0, ring);
}

int pb_mcl_cache(struct pb_mcl *m, unsigned service, unsigned sets)
{
	int err;

	if (sets > PB_MCL_SETS_MAX)
		return -E2BIG;
	/* Values first: a set of the new table never leads to values of the old one. */
	err = swap(m, &sets_of, service, 0, NULL);
	if (!err)
		err = swap(m, &values_of, service, sets * PB_MC_WAYS, NULL);
	if (!err)
		err = swap(m, &sets_of, service, sets, NULL);
	return err;
}

uint64_t pb_mcl_cache_bytes(unsigned sets)
{
	return (uint64_t)sets *
	       (sizeof(struct pb_mc_set) + PB_MC_WAYS * sizeof(struct pb_mc_value));
}

unsigned pb_mcl_cache_sets(uint64_t bytes)
{
	uint64_t sets = bytes / pb_mcl_cache_bytes(1);

	return sets < PB_MCL_SETS_MAX ? (unsigned)sets : PB_MCL_SETS_MAX;
}

int pb_mcl_do(struct pb_mcl *m, const struct pb_mc_cmd *cmd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = cmd, .data_size_in = sizeof(*cmd),
		    .repeat = 1);
	int prog = pb_mcl_prog_fd(m, PREFIX "do"), err;

	if (prog < 0)
		return -EOPNOTSUPP;
	err = bpf_prog_test_run_opts(prog, &opts);
	return err ? err : (int)opts.retval;
}
