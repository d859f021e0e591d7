/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a topic from its beginning, as tests want it: BROKERS TOPIC N SECONDS. A line of JSON a
 * message; ends when N different uuid headers were seen and nothing more comes, or time is over. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>

#define PARTITIONS_MAX 64

static rd_kafka_t *start(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512];
	rd_kafka_t *rk;

	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "group.id", "test", why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why)))
		return NULL;
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (rk)
		(void)rd_kafka_poll_set_consumer(rk);
	return rk;
}

static int assign_all(rd_kafka_t *rk, const char *name)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);

	if (rd_kafka_metadata(rk, 0, topic, &md, 10000) != 0 || md->topic_cnt != 1)
		return -EIO;
	for (int i = 0; i < md->topics[0].partition_cnt; i++)
		rd_kafka_topic_partition_list_add(list, name, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	return rd_kafka_assign(rk, list) ? -EIO : 0;
}

static json_t *headers_of(const rd_kafka_message_t *m)
{
	json_t *o = json_object();
	rd_kafka_headers_t *list;
	const char *name;
	const void *p;
	size_t n;

	if (rd_kafka_message_headers(m, &list) != 0)
		return o;
	for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &p, &n) == 0; i++)
		(void)json_object_set_new(o, name, json_stringn(p, n));
	return o;
}

int main(int argc, char **argv)
{
	json_t *seen = json_object();
	rd_kafka_t *rk = argc == 5 ? start(argv[1]) : NULL;
	time_t until = time(NULL) + (argc == 5 ? atol(argv[4]) : 0);
	size_t wanted = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;

	if (!rk || assign_all(rk, argv[2]) < 0) {
		fprintf(stderr, "usage: kafka-read BROKERS TOPIC N SECONDS, or the broker does not "
				"answer\n");
		return 1;
	}
	for (;;) {
		bool has_all = json_object_size(seen) >= wanted;
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, has_all ? 1000 : 200);
		json_t *headers, *line;

		if ((!m && has_all) || time(NULL) > until)
			break;
		if (!m || m->err) {
			if (m)
				rd_kafka_message_destroy(m);
			continue;
		}
		headers = headers_of(m);
		(void)json_object_set_new(seen,
			json_string_value(json_object_get(headers, "uuid"))
				? json_string_value(json_object_get(headers, "uuid"))
				: "",
			json_true());
		line = json_pack("{s:i, s:I, s:o, s:s%, s:s%}", "partition", m->partition, "offset",
			(json_int_t)m->offset, "headers", headers, "key", m->key ? m->key : "",
			m->key_len, "value", m->payload ? m->payload : "", m->len);
		if (line)
			(void)json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
		rd_kafka_message_destroy(m);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
