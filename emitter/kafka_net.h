/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* librdkafka's way to the network: its threads resolve nothing and connect nothing, they ask the
 * dialer. */

#include <librdkafka/rdkafka.h>

#include "dial.h"

struct kafka_net;

/* Before the seal. NULL: out of memory. */
struct kafka_net *kafka_net_new(void);
struct kafka_net *kafka_net_free(struct kafka_net *n);
/* @dial: borrowed; NULL: nothing can be connected. */
void kafka_net_use(struct kafka_net *n, struct dial *dial);
/* Call-backs; the configuration's opaque must be @n's owner, who gives it back by kafka_net_of(). */
void kafka_net_configure(rd_kafka_conf_t *conf);
struct kafka_net *kafka_net_of(void *opaque);
/* Why the last connection could not be made: one line into @buf; "" if all could. */
void kafka_net_why(struct kafka_net *n, char *buf, size_t cap);
