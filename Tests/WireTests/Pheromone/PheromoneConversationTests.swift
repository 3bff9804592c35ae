import Testing

@testable import OmniwayWire

@Suite struct PheromoneConversationTests {
    private func message(_ operation: PheromoneOperation) -> PheromoneMessage {
        PheromoneMessage(name: "luda", operation: operation)
    }

    private func conversation() -> PheromoneConversation {
        PheromoneConversation(patience: .milliseconds(100), mostWaiting: 4)
    }

    @Test func `a second message waits for the answer to the first`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(.getRequest))
        try conversation.dispatch(message(.noticeRequest))
        #expect(conversation.next(at: .zero) == message(.getRequest).bytes)
        #expect(conversation.next(at: .milliseconds(99)) == nil)
        conversation.received(.getResponse, at: .milliseconds(99))
        #expect(conversation.next(at: .milliseconds(99)) == message(.noticeRequest).bytes)
    }

    @Test func `a second message waits as long as the other side may take to read, and no longer`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(.noticeRequest))
        try conversation.dispatch(message(.noticeRequest))
        #expect(conversation.deadline == nil)
        #expect(conversation.next(at: .zero) != nil)
        #expect(conversation.deadline == .milliseconds(100))
        #expect(conversation.next(at: .milliseconds(99)) == nil)
        #expect(conversation.next(at: .milliseconds(100)) != nil)
        #expect(conversation.deadline == nil)
    }

    @Test func `a message that crosses ours answers nothing`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(.connectRequest))
        #expect(conversation.next(at: .zero) != nil)
        conversation.received(.connectRequest, at: .milliseconds(1))
        #expect(try conversation.answer(.connectRequest, with: message(.connectResponse)))
        #expect(conversation.next(at: .milliseconds(1)) == nil)
        conversation.received(.connectResponse, at: .milliseconds(2))
        #expect(conversation.next(at: .milliseconds(2)) == message(.connectResponse).bytes)
    }

    @Test func `words of an application may answer anything`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(PheromoneOperation(rawValue: "put")))
        try conversation.dispatch(message(.getRequest))
        #expect(conversation.next(at: .zero) != nil)
        conversation.received(PheromoneOperation(rawValue: "stored"), at: .zero)
        #expect(conversation.next(at: .zero) == message(.getRequest).bytes)
    }

    @Test func `an answer goes before what else waits`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(.connectRequest))
        try conversation.dispatch(message(.noticeRequest))
        #expect(conversation.next(at: .zero) != nil)
        conversation.received(.connectResponse, at: .zero)
        #expect(try conversation.answer(.connectResponse, with: message(.getRequest)))
        #expect(conversation.next(at: .zero) == message(.getRequest).bytes)
    }

    @Test func `nothing answers unknownop, and unknownop is said once`() throws {
        var conversation = conversation()
        conversation.received(.unknown, at: .zero)
        #expect(try !conversation.answer(.unknown, with: message(.unknown)))
        #expect(try !conversation.answer(.unknown, with: message(.getRequest)))
        let bogus = PheromoneOperation(rawValue: "bogus")
        conversation.received(bogus, at: .zero)
        #expect(try conversation.answer(bogus, with: message(.unknown)))
        conversation.received(bogus, at: .zero)
        #expect(try !conversation.answer(bogus, with: message(.unknown)))
        #expect(conversation.waitingCount == 1)
    }

    @Test func `a session keeps the connection busy until it ends, or stands still for two seconds`() throws {
        var conversation = conversation()
        try conversation.dispatch(message(.connectRequest))
        #expect(!conversation.isBusy(at: .zero))
        _ = conversation.next(at: .zero)
        #expect(conversation.owesSession(at: .milliseconds(1999)))
        #expect(!conversation.isBusy(at: .seconds(2)))
        conversation.received(.connectResponse, at: .seconds(1))
        #expect(conversation.isBusy(at: .milliseconds(2999)))
        conversation.received(.noticeResponse, at: .seconds(2))
        #expect(!conversation.isBusy(at: .seconds(2)))
        conversation.received(.connectRequest, at: .seconds(3))
        #expect(conversation.isBusy(at: .seconds(3)))
        #expect(!conversation.owesSession(at: .seconds(3)))
    }

    @Test func `only so many messages wait, and none that the other side could not read`() throws {
        var conversation = conversation()
        for _ in 0..<4 { try conversation.dispatch(message(.getRequest)) }
        #expect(throws: MeshError.queueFull(4)) { try conversation.dispatch(message(.getRequest)) }
        var large = self.conversation()
        let data = [UInt8](repeating: 1, count: 10_240)
        #expect(throws: MeshError.self) {
            try large.dispatch(PheromoneMessage(name: "luda", operation: .getRequest, data: data))
        }
        #expect(large.waitingCount == 0)
    }
}
