import OmniwayTesting
import OmniwayTransport
import Testing

private final class Received {
    var numbers: [Int] = []
}

@Suite(.timeLimit(.minutes(2))) struct MailboxTests {
    @Test func `messages arrive in the order in which they were posted`() async throws {
        let world = SimulatedWorld()
        let received = await world.first.own { _ in Received() }
        let mailbox = await received.run { loop, received in loop.mailbox(of: Int.self) { received.numbers.append($0) }
        }
        for number in 0..<100 { #expect(mailbox.post(number)) }
        world.settle()
        await received.run { _, received in #expect(received.numbers == Array(0..<100)) }
    }

    @Test func `a full mailbox refuses, and takes again when the loop has read`() async throws {
        let world = SimulatedWorld()
        let received = await world.first.own { _ in Received() }
        let mailbox = await received.run { loop, received in
            loop.mailbox(of: Int.self, limit: 2) { received.numbers.append($0) }
        }
        #expect(mailbox.post(1))
        #expect(mailbox.post(2))
        #expect(!mailbox.post(3))
        world.settle()
        #expect(mailbox.post(4))
        world.settle()
        await received.run { _, received in #expect(received.numbers == [1, 2, 4]) }
    }

    /// Each round ends with the loop asleep, so a wake-up that gets lost in any of them is one too many.
    @Test func `a loop that falls asleep again and again is woken every time`() async throws {
        let loop = EventLoop()
        let received = await loop.own { _ in Received() }
        let (arrivals, note) = AsyncStream.makeStream(of: Int.self)
        let mailbox = await received.run { loop, _ in loop.mailbox(of: Int.self) { note.yield($0) } }
        var arrived = arrivals.makeAsyncIterator()
        for round in 0..<5000 {
            async let first = mailbox.post(round)
            async let second = mailbox.post(round)
            async let third = mailbox.post(round)
            #expect(await (first, second, third) == (true, true, true))
            for _ in 0..<3 { #expect(await arrived.next() == round) }
        }
        await loop.shutdown()
    }

    @Test func `a sleeping loop is woken by many threads at once and misses nothing`() async throws {
        let loop = EventLoop()
        let received = await loop.own { _ in Received() }
        let (done, finish) = AsyncStream.makeStream(of: Void.self)
        let mailbox = await received.run { loop, received in
            loop.mailbox(of: Int.self) {
                received.numbers.append($0)
                if received.numbers.count == 8000 { finish.finish() }
            }
        }
        await withTaskGroup { group in
            for sender in 0..<8 {
                group.addTask {
                    for number in 0..<1000 {
                        // Full is no error: whoever posts slows down.
                        while !mailbox.post(sender * 1000 + number) { await Task.yield() }
                    }
                }
            }
        }
        for await _ in done {}
        await received.run { _, received in
            for sender in 0..<8 {
                #expect(received.numbers.filter { $0 / 1000 == sender } == Array(sender * 1000..<(sender + 1) * 1000))
            }
        }
        await loop.shutdown()
    }

    @Test func `a mailbox may be removed when its loop has ended`() async {
        let world = SimulatedWorld()
        let owner = await world.first.own { loop in MailboxOwner(on: loop) }
        world.first.endSimulation()
        await owner.release()
    }
}

/// Removes its mailbox when it goes.
private final class MailboxOwner {
    private let loop: Loop
    private let mailbox: Mailbox<Int>
    init(on loop: Loop) { (self.loop, mailbox) = (loop, loop.mailbox { _ in }) }
    deinit { loop.remove(mailbox) }
}
