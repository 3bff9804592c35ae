import OmniwayTesting
import OmniwayTransport
import Testing

private final class Clockwork: TimerTarget {
    var fired: [UInt64] = []
    var then: (UInt64, Loop) -> Void = { _, _ in }

    func timerFired(_ token: UInt64, on loop: Loop) {
        fired.append(token)
        then(token, loop)
    }
}

@Suite struct TimerTests {
    let world = SimulatedWorld()

    @Test func `timers fire in the order of their deadlines, and equal ones as they were set`() async throws {
        let clockwork = await world.first.own { _ in Clockwork() }
        await clockwork.run { loop, clockwork in
            for (token, delay) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 0)] {
                loop.after(.milliseconds(delay), clockwork, token: UInt64(token))
            }
        }
        world.advance(by: .milliseconds(19))
        await clockwork.run { _, clockwork in #expect(clockwork.fired == [5, 2, 4]) }
        world.advance(by: .milliseconds(11))
        await clockwork.run { _, clockwork in #expect(clockwork.fired == [5, 2, 4, 3, 1]) }
    }

    @Test func `a cancelled timer does not fire, and cancelling twice or late does nothing`() async throws {
        let clockwork = await world.first.own { _ in Clockwork() }
        let first = await clockwork.run { loop, clockwork in
            let first = loop.after(.seconds(1), clockwork, token: 1)
            let second = loop.after(.seconds(2), clockwork, token: 2)
            loop.cancel(second)
            loop.cancel(second)
            return first
        }
        world.advance(by: .seconds(1))
        await clockwork.run { loop, clockwork in
            loop.after(.seconds(1), clockwork, token: 3)  // In the slot of one that is gone.
            loop.cancel(first)
        }
        world.advance(by: .seconds(5))
        await clockwork.run { _, clockwork in #expect(clockwork.fired == [1, 3]) }
    }

    @Test func `a timer set by a timer waits for the next turn, so it cannot hold the loop`() async throws {
        let clockwork = await world.first.own { _ in Clockwork() }
        await clockwork.run { loop, clockwork in
            clockwork.then = { token, loop in loop.after(.zero, clockwork, token: token + 1) }
            loop.after(.zero, clockwork, token: 0)
        }
        for _ in 0..<5 { #expect(world.first.simulateTurn()) }
        await clockwork.run { _, clockwork in
            #expect(clockwork.fired == [0, 1, 2, 3, 4])
            clockwork.then = { _, _ in }
        }
    }

    @Test(arguments: 1...20) func `any mix of setting and cancelling keeps the order`(_ seed: UInt64) async throws {
        let clockwork = await world.first.own { _ in Clockwork() }
        let expected = await clockwork.run { loop, clockwork in
            var random = SeededRandom(seed: seed)
            var set: [(token: UInt64, delay: Int, id: TimerID)] = []
            for token in 0..<500 {
                let delay = Int.random(in: 0...100, using: &random)
                set.append((UInt64(token), delay, loop.after(.milliseconds(delay), clockwork, token: UInt64(token))))
                if Bool.random(using: &random), let index = set.indices.randomElement(using: &random) {
                    loop.cancel(set.remove(at: index).id)
                }
            }
            return set.sorted { ($0.delay, $0.token) < ($1.delay, $1.token) }.map(\.token)
        }
        world.advance(by: .seconds(1))
        await clockwork.run { _, clockwork in #expect(clockwork.fired == expected, "seed \(seed)") }
    }

    @Test func `virtual time passes from timer to timer and nothing waits for real time`() async throws {
        let clockwork = await world.first.own { _ in Clockwork() }
        await clockwork.run { loop, clockwork in
            clockwork.then = { token, loop in
                if token < 1000 { loop.after(.seconds(3600), clockwork, token: token + 1) }
            }
            loop.after(.seconds(3600), clockwork)
        }
        world.advance(by: .seconds(3600 * 1001))
        await clockwork.run { loop, clockwork in
            #expect(clockwork.fired.count == 1001)
            #expect(loop.now.nanoseconds == 3600 * 1001 * 1_000_000_000)
            clockwork.then = { _, _ in }  // It holds the clockwork.
        }
    }
}
