/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Message keys from a template: "%host", "%rule", "%priority", "%proc.name" and other fields of the
 * alert, with texts between them. */

#include <base/strbuf.h>
#include <shm/alert.h>

/* Adds the key of this alert; what the alert does not have adds nothing. */
void kafka_key_add(const char *template, const struct alert *a, struct strbuf *b);
