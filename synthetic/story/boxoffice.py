"""``boxoffice``: an invented TypeScript service that sells the seats of a small theatre, with its bugs."""

from __future__ import annotations

ROOT = "/Users/mika/code/boxoffice"

RULES = """# boxoffice

Seat reservation for the Kornspeicher theatre. Node 22, TypeScript, no framework beyond Fastify.

- `pnpm test` runs vitest; `pnpm check` runs tsc and eslint. Both must be clean.
- Times are epoch milliseconds everywhere. Money is integer cents; format it only in `src/money.ts`.
- The seat map of a show is the single source of truth. Never keep a second copy of a seat's state.
- Errors that a visitor sees are in German and come from `src/messages.ts`."""

HOLDS = """import { Clock } from './clock.js'
import { SeatId, ShowId } from './ids.js'

/** How long a visitor may think about it. */
export const HOLD_MINUTES = 8

export interface Hold {
  id: string
  show: ShowId
  seats: readonly SeatId[]
  visitor: string
  expiresAt: number
}

export class Holds {
  readonly #byId = new Map<string, Hold>()

  constructor(private readonly clock: Clock) {}

  /** Reserves seats for a visitor, or says which of them are taken. */
  take(show: ShowId, seats: readonly SeatId[], visitor: string): Hold | { taken: SeatId[] } {
    const taken = seats.filter((seat) => this.holderOf(show, seat) !== undefined)
    if (taken.length > 0) return { taken }
    const hold: Hold = {
      id: crypto.randomUUID(),
      show,
      seats,
      visitor,
      expiresAt: Math.floor(this.clock.now() / 1000) + HOLD_MINUTES * 60,
    }
    this.#byId.set(hold.id, hold)
    return hold
  }

  /** Gives seats back before their time. */
  release(id: string): boolean {
    return this.#byId.delete(id)
  }

  holderOf(show: ShowId, seat: SeatId): string | undefined {
    for (const hold of this.#byId.values()) {
      if (hold.show === show && hold.seats.includes(seat)) return hold.visitor
    }
    return undefined
  }

  /** Called every ten seconds; returns what was freed. */
  sweep(): Hold[] {
    const now = this.clock.now()
    const freed = [...this.#byId.values()].filter((hold) => hold.expiresAt > now)
    for (const hold of freed) this.#byId.delete(hold.id)
    return freed
  }
}
"""

SEATMAP = """import { Holds } from './holds.js'
import { SeatId, ShowId } from './ids.js'

export type SeatState = 'free' | 'held' | 'sold'

export interface Seat {
  id: SeatId
  row: string
  number: number
  /** Places for wheelchairs have no seat number on the ticket. */
  kind: 'seat' | 'wheelchair' | 'restricted'
  cents: number
}

export class SeatMap {
  readonly #sold = new Set<SeatId>()

  constructor(
    readonly show: ShowId,
    readonly seats: readonly Seat[],
    private readonly holds: Holds,
  ) {}

  state(id: SeatId): SeatState {
    if (this.#sold.has(id)) return 'sold'
    return this.holds.holderOf(this.show, id) === undefined ? 'free' : 'held'
  }

  /** Turns a hold into tickets. */
  sell(hold: string, seats: readonly SeatId[]): void {
    for (const seat of seats) this.#sold.add(seat)
    this.holds.release(hold)
  }

  /** The best free seats next to one another, front rows first. */
  together(count: number): Seat[] {
    const rows = Map.groupBy(this.seats, (seat) => seat.row)
    for (const row of rows.values()) {
      let run: Seat[] = []
      for (const seat of row) {
        run = this.state(seat.id) === 'free' ? [...run, seat] : []
        if (run.length === count) return run
      }
    }
    return []
  }
}
"""

MONEY = """const euros = new Intl.NumberFormat('de-DE', { style: 'currency', currency: 'EUR' })

export function format(cents: number): string {
  return euros.format(cents / 100)
}

/** Reduced price: half, rounded to full ten cents in the visitor's favour. */
export function reduced(cents: number): number {
  return Math.floor(cents / 2 / 10) * 10
}
"""

SERVER = """import Fastify from 'fastify'
import { z } from 'zod'
import { systemClock } from './clock.js'
import { Holds } from './holds.js'
import { messages } from './messages.js'
import { loadShows } from './shows.js'

export function build(clock = systemClock) {
  const app = Fastify({ logger: true })
  const holds = new Holds(clock)
  const shows = loadShows(holds)

  setInterval(() => {
    for (const hold of holds.sweep()) app.log.info({ hold: hold.id }, 'hold expired')
  }, 10_000).unref()

  const Take = z.object({ seats: z.array(z.string()).min(1).max(8), visitor: z.string().uuid() })

  app.post<{ Params: { show: string } }>('/shows/:show/holds', async (request, reply) => {
    const show = shows.get(request.params.show)
    if (!show) return reply.code(404).send({ error: messages.noSuchShow })
    const body = Take.parse(request.body)
    const hold = holds.take(show.show, body.seats, body.visitor)
    if ('taken' in hold) return reply.code(409).send({ error: messages.taken, seats: hold.taken })
    return reply.code(201).send(hold)
  })

  app.get<{ Params: { show: string } }>('/shows/:show/seats', async (request, reply) => {
    const show = shows.get(request.params.show)
    if (!show) return reply.code(404).send({ error: messages.noSuchShow })
    return show.seats.map((seat) => ({ ...seat, state: show.state(seat.id) }))
  })

  return app
}
"""

TEST_HOLDS = """import { describe, expect, it } from 'vitest'
import { Holds } from '../src/holds.js'

const clock = { now: () => Date.UTC(2026, 10, 10, 18, 0) }

describe('holds', () => {
  it('gives a seat to one visitor only', () => {
    const holds = new Holds(clock)
    holds.take('lear', ['A1', 'A2'], 'anna')
    expect(holds.take('lear', ['A2', 'A3'], 'ben')).toEqual({ taken: ['A2'] })
  })

  it('knows shows apart', () => {
    const holds = new Holds(clock)
    holds.take('lear', ['A1'], 'anna')
    expect(holds.take('hamlet', ['A1'], 'ben')).not.toHaveProperty('taken')
  })
})
"""

ENV = """PORT=8080
DATABASE_URL=postgres://boxoffice:kornspeicher-2026@localhost:5432/boxoffice
MAIL_FROM=karten@kornspeicher.example
MAIL_TOKEN=mtk_5d41402abc4b2a76b9719d911017c592
"""


def files() -> dict[str, str]:
    """The project before the first session."""
    return {
        "CLAUDE.md": RULES + "\n",
        ".env": ENV,
        "src/holds.ts": HOLDS,
        "src/seatmap.ts": SEATMAP,
        "src/money.ts": MONEY,
        "src/server.ts": SERVER,
        "test/holds.test.ts": TEST_HOLDS,
    }
