/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names to addresses, without waiting: the hosts file, then the name servers of resolv.conf, both
 * from descriptors that the supervisor opened. */

#include <sys/socket.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NAMES_ADDRS_MAX 64

union names_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

enum names_file { NAMES_RESOLV, NAMES_HOSTS, NAMES_SWITCH, _NAMES_FILE_MAX };
/* "resolv.conf", … as the supervisor calls them. */
const char *names_file_str(enum names_file f);

struct names;

/* Called once for each question, perhaps before names_ask() returns. @n: 0 and *why (static text)
 * if there is no address. Addresses have no port. */
typedef void names_answer(void *arg, const union names_addr *addrs, unsigned n, const char *why);
/* Wait for that descriptor: events of epoll, 0 not any more. */
typedef void names_watch(void *ctx, int fd, uint32_t events);

/* Before the seal. 0 or negative errno. */
int names_new(names_watch *watch, void *ctx, struct names **ret_names);
/* Questions that are open are not answered any more. */
struct names *names_free(struct names *n);
/* Was that the reason why there is no address: the name does not exist? (Else nobody could say.) */
bool names_is_unknown(const char *why);
/* Read a file anew. What stands in it is not trusted; lines that make no sense are passed over. 1 it
 * has changed, 0 it is as it was, or negative errno (what was known stays). */
int names_read(struct names *n, enum names_file f, int fd);
/* Is it an address as text? */
bool names_is_address(const char *host, union names_addr *ret_addr);
void names_ask(struct names *n, const char *host, names_answer *answer, void *arg);
/* A watched descriptor is ready, or time has passed (fd -1). */
void names_ready(struct names *n, int fd, uint32_t events);
/* ms until names_ready(-1) is wanted, -1: never. */
int names_timeout_ms(struct names *n);
/* "192.0.2.1:80", "[2001:db8::1]:80" */
void names_print(const union names_addr *a, char *buf, size_t cap);
