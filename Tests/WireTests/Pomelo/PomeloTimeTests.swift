import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct PomeloHeartbeatTests {
    /// Recorded with an interval of two seconds.
    @Test func `a silent client gets two heartbeats and is closed at the third`() {
        var heartbeat = PomeloHeartbeat(every: .seconds(2), from: .zero)
        #expect(heartbeat.step(at: .zero) == .wait(until: .seconds(2)))
        #expect(heartbeat.step(at: .seconds(2)) == .send(next: .seconds(4)))
        #expect(heartbeat.step(at: .milliseconds(4003)) == .send(next: .seconds(6)))
        #expect(heartbeat.step(at: .milliseconds(5999)) == .wait(until: .seconds(6)))
        #expect(heartbeat.step(at: .seconds(6)) == .dead)
    }

    /// The reference compares times; this counts beats. Both give up at the same beat.
    @Test(arguments: 1...50) func `the end comes after more than two intervals and at most three`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let last = Duration.milliseconds(Int.random(in: 0...20_000, using: &random))
        var heartbeat = PomeloHeartbeat(every: .seconds(2), from: .zero)
        var isHeard = false
        for beat in 1...20 {
            let now = Duration.seconds(2 * beat)
            if !isHeard, last < now {
                heartbeat.heard()
                isHeard = true
            } else if !isHeard {
                heartbeat.heard()  // It spoke in every interval before.
            }
            let isDead = heartbeat.step(at: now) == .dead
            #expect(isDead == (isHeard && last < now - .seconds(4)), "seed \(seed), beat \(beat)")
            if isDead { return }
        }
        Issue.record("it never ended")
    }

    @Test func `who speaks once in an interval lives`() {
        var heartbeat = PomeloHeartbeat(every: .seconds(30), from: .seconds(100))
        for beat in 1...50 {
            heartbeat.heard()
            let now = Duration.seconds(100 + 30 * beat)
            #expect(heartbeat.step(at: now) == .send(next: now + .seconds(30)))
        }
    }

    @Test func `a loop that stood still does not count the beats that it missed`() {
        var heartbeat = PomeloHeartbeat(every: .seconds(2), from: .zero)
        #expect(heartbeat.step(at: .seconds(60)) == .send(next: .seconds(62)))
        #expect(heartbeat.step(at: .seconds(61)) == .wait(until: .seconds(62)))
    }
}

@Suite struct PomeloRateLimitTests {
    /// Recorded: of a limit of five, handshake and ack take two, and of ten requests three are answered.
    @Test func `what is above the limit is dropped, until an interval after the first`() {
        var limit = PomeloRateLimit(limit: 5, interval: .seconds(1))
        let accepted = (Array(0..<12) + [999, 1000, 1000, 1001, 1003]).filter { limit.accepts(at: .milliseconds($0)) }
        #expect(accepted == [0, 1, 2, 3, 4, 1000, 1001, 1003])
    }

    @Test func `drops take no place`() {
        var limit = PomeloRateLimit(limit: 1, interval: .seconds(1))
        #expect((0...2500).filter { limit.accepts(at: .milliseconds($0)) } == [0, 1000, 2000])
    }

    @Test(arguments: 1...20) func `no interval ever holds more than the limit`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let most = Int.random(in: 1...20, using: &random)
        var limit = PomeloRateLimit(limit: most, interval: .seconds(1))
        var now = Duration.zero
        var log: [Duration] = []
        for _ in 0..<2000 {
            now += .milliseconds(Int.random(in: 0...100, using: &random))
            let isFree = log.count(where: { $0 > now - .seconds(1) }) < most
            let isAccepted = limit.accepts(at: now)
            #expect(isAccepted == isFree, "seed \(seed)")
            if isFree { log.append(now) }
        }
    }
}
