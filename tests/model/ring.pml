/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of shm/spsc_producer.c and shm/spsc_consumer.c as a SPIN model: publish, consume, commit, sleep, wake, and the death of either side.
 *
 * Memory is that of a machine with store buffers (x86): what a side stores becomes visible later, in order, at any moment; a fence waits until it is. Acquire and
 * release cost nothing there, so that only the two seq_cst fences order a store before a later load. The waits have no timeout here: where the real ones would help
 * themselves after a second, the model stands still and SPIN reports an invalid end state.
 *
 * Held, by assertions and by the absence of invalid end states:
 *   no record is read before it is written or after it was overwritten (the copy is the record that belongs there);
 *   no record is overwritten before its reader's commit;
 *   no lost wake-up: the consumer does not sleep while something is published; all records arrive.
 *
 * Mistakes that must be found, one a time (run_ring.sh): NO_PRODUCER_FENCE NO_CONSUMER_FENCE HEAD_BEFORE_RECORD COMMIT_BEFORE_COPY
 * NO_RING_AT_ATTACH SLEEP_UNCHECKED ONE_TOO_MANY.
 * Positions count records instead of bytes. */

#define N_RECORDS 4
#define SIZE 2
#ifdef ONE_TOO_MANY
#define ROOM (SIZE + 1)
#else
#define ROOM SIZE
#endif

/* Cells of shared memory. Record pos is written as pos + 1, so that 0 is "never written". */
#define HEAD 0
#define TAIL 1
#define SLEEPING 2
#define DATA(pos) (3 + (pos) % SIZE)

byte memory[3 + SIZE];
chan producer_buffer = [3] of { byte, byte };
chan consumer_buffer = [3] of { byte, byte };
byte event_fd; /* wake-ups not yet taken */
bool kill_producer, kill_consumer;

#define FENCE(buffer) (len(buffer) == 0)

active proctype producer_stores()
{
	byte cell, value;

end:
	do
	:: atomic {
		producer_buffer ? cell, value ->
		/* the record that stood there is committed by its reader */
		assert(cell < 3 || value <= memory[TAIL] + SIZE);
		memory[cell] = value
	}
	od
}

active proctype consumer_stores()
{
	byte cell, value;

end:
	do
	:: atomic { consumer_buffer ? cell, value -> memory[cell] = value }
	od
}

/* Each side may be killed once, at any moment. What a dead one had stored becomes visible. */
active proctype killer()
{
	if
	:: kill_producer = true
	:: skip
	fi;
	if
	:: kill_consumer = true
	:: skip
	fi
}

active proctype producer()
{
	byte head, published, tail_seen;
	bool sleeping;

attach: /* spsc_producer_attach() */
	FENCE(producer_buffer);
	{
		head = memory[HEAD];
		published = head;
		tail_seen = memory[TAIL];
#ifndef NO_RING_AT_ATTACH
		if
		:: published != tail_seen ->
			if
			:: memory[SLEEPING] == 1 -> event_fd = 1
			:: else
			fi
		:: else
		fi;
#endif
		do
		:: head < N_RECORDS ->
			/* spsc_reserve(): with no room what is there is published, then it is waited for */
			if
			:: head - tail_seen == ROOM && head == published -> tail_seen != memory[TAIL]; tail_seen = memory[TAIL]
			:: head - tail_seen == ROOM && head != published -> goto publish
			:: head - tail_seen < ROOM ->
#ifdef HEAD_BEFORE_RECORD
				producer_buffer ! HEAD, head + 1;
#endif
				producer_buffer ! DATA(head), head + 1;
				head++
			fi
		:: head != published ->
publish:		published = head; /* spsc_publish() */
			producer_buffer ! HEAD, head;
#ifndef NO_PRODUCER_FENCE
			FENCE(producer_buffer);
#endif
			tail_seen = memory[TAIL];
			sleeping = memory[SLEEPING];
			if
			:: sleeping -> event_fd = 1
			:: else
			fi
		:: head == N_RECORDS && head == published -> goto done
		od
	} unless { atomic { kill_producer -> kill_producer = false } };
	goto attach;
done:
	skip
}

active proctype consumer()
{
	byte pos, head_seen, committed;

attach: /* spsc_consumer_attach() */
	FENCE(consumer_buffer);
	{
		pos = memory[TAIL];
		committed = pos;
		head_seen = memory[HEAD];
		consumer_buffer ! SLEEPING, 0;
		do
		:: pos != head_seen ->
#ifdef COMMIT_BEFORE_COPY
			consumer_buffer ! TAIL, pos + 1;
			committed = pos + 1;
#endif
			assert(memory[DATA(pos)] == pos + 1); /* spsc_next() */
			pos++
		:: pos != committed -> /* spsc_consumer_commit(), once a batch */
			consumer_buffer ! TAIL, pos;
			committed = pos
		:: pos == head_seen && head_seen != memory[HEAD] -> head_seen = memory[HEAD]
		:: pos == head_seen && pos == committed && pos < N_RECORDS ->
			consumer_buffer ! SLEEPING, 1; /* spsc_consumer_arm() */
#ifndef NO_CONSUMER_FENCE
			FENCE(consumer_buffer);
#endif
#ifdef SLEEP_UNCHECKED
			event_fd == 1;
			event_fd = 0;
#else
			if
			:: memory[HEAD] != pos
			:: memory[HEAD] == pos -> event_fd == 1; event_fd = 0
			fi;
#endif
			consumer_buffer ! SLEEPING, 0 /* spsc_consumer_disarm() */
		:: pos == N_RECORDS && pos == committed -> goto done
		od
	} unless { atomic { kill_consumer -> kill_consumer = false } };
	goto attach;
done:
	skip
}
