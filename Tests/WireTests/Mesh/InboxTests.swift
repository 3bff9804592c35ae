import Testing

@testable import OmniwayWire

@Suite struct InboxTests {
    private let node = NodeID([UInt8](repeating: 1, count: 32))!
    private let other = NodeID([UInt8](repeating: 2, count: 32))!

    @Test func `a request is new once, then repeated, then answered as before`() {
        var inbox = Inbox()
        #expect(inbox.receive(5, of: node, epoch: 1, at: .zero) == .new)
        #expect(inbox.receive(5, of: node, epoch: 1, at: .zero) == .repeated)
        inbox.answer(5, of: node, epoch: 1, .ok, [7], at: .zero)
        #expect(inbox.receive(5, of: node, epoch: 1, at: .seconds(59)) == .answered(.ok, [7]))
        #expect(inbox.receive(5, of: node, epoch: 1, at: .seconds(60)) == .repeated, "and still not done again")
    }

    @Test func `what is too old to be known is not new`() {
        var inbox = Inbox()
        #expect(inbox.receive(5000, of: node, epoch: 1, at: .zero) == .new)
        #expect(inbox.receive(4500, of: node, epoch: 1, at: .zero) == .new, "messages overtake one another")
        #expect(inbox.receive(3000, of: node, epoch: 1, at: .zero) == .forgotten)
        #expect(inbox.receive(9000, of: node, epoch: 1, at: .zero) == .new)
        #expect(inbox.receive(4500, of: node, epoch: 1, at: .zero) == .forgotten)
    }

    @Test func `a source that starts again begins anew, and its old start says nothing any more`() {
        var inbox = Inbox()
        #expect(inbox.receive(5, of: node, epoch: 1, at: .zero) == .new)
        #expect(inbox.receive(5, of: node, epoch: 2, at: .zero) == .new)
        #expect(inbox.receive(6, of: node, epoch: 1, at: .zero) == .stale)
        inbox.answer(5, of: node, epoch: 1, .ok, [1], at: .zero)
        #expect(inbox.receive(5, of: node, epoch: 2, at: .zero) == .repeated)
    }

    @Test func `answers beyond the bound are forgotten, the oldest first`() {
        var inbox = Inbox(Inbox.Settings(answerBytes: 10_000))
        for number in 1...20 as ClosedRange<UInt64> {
            _ = inbox.receive(number, of: node, epoch: 1, at: .zero)
            inbox.answer(number, of: node, epoch: 1, .ok, [UInt8](repeating: 1, count: 1000), at: .zero)
            #expect(inbox.bytes <= 10_000)
        }
        #expect(inbox.receive(1, of: node, epoch: 1, at: .zero) == .repeated)
        #expect(inbox.receive(20, of: node, epoch: 1, at: .zero) != .repeated)
    }

    @Test func `a full table takes nobody new until somebody has been silent for long enough`() {
        var inbox = Inbox(Inbox.Settings(sources: 1))
        #expect(inbox.receive(1, of: node, epoch: 1, at: .zero) == .new)
        #expect(inbox.receive(1, of: other, epoch: 1, at: .seconds(60)) == .full)
        #expect(inbox.receive(1, of: other, epoch: 1, at: .seconds(61)) == .new)
    }
}
