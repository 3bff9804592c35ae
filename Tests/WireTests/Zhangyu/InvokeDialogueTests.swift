import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct InvokeDialogueTests {
    private func response(_ id: String) -> InvokeMessage { .response(InvokeResponse(to: id)) }

    private func call(
        _ id: String, until deadline: Duration, _ dialogue: inout InvokeDialogue
    ) throws -> InvokeDialogue.Tag {
        let tag = dialogue.call(id, until: deadline)
        return try #require(tag)
    }

    @Test func `an answer reaches its call once, and late ones nobody`() throws {
        var dialogue = InvokeDialogue()
        let first = try call("a", until: .seconds(10), &dialogue)
        let second = try call("b", until: .seconds(10), &dialogue)
        #expect(dialogue.receive(response("b"), kind: nil) == .finish(second, InvokeResponse(to: "b")))
        #expect(dialogue.receive(response("b"), kind: nil) == .ignore)
        dialogue.giveUp(first)
        #expect(dialogue.receive(response("a"), kind: nil) == .ignore)
        #expect(dialogue.callCount == 0)
        #expect(dialogue.nextDeadline() == nil)
    }

    @Test func `calls expire in the order of their deadlines`() throws {
        var dialogue = InvokeDialogue()
        let late = try call("a", until: .seconds(10), &dialogue)
        let early = try call("b", until: .seconds(5), &dialogue)
        let answered = try call("c", until: .seconds(1), &dialogue)
        #expect(dialogue.receive(response("c"), kind: nil) == .finish(answered, InvokeResponse(to: "c")))
        #expect(dialogue.nextDeadline() == .seconds(5))
        #expect(dialogue.expire(at: .seconds(4)).isEmpty)
        #expect(dialogue.expire(at: .seconds(30)) == [early, late])
        #expect(dialogue.nextDeadline() == nil)
    }

    @Test func `only so many calls wait, and no two with one id`() {
        var dialogue = InvokeDialogue(mostCalls: 2)
        #expect(dialogue.call("a", until: .seconds(1)) != nil)
        #expect(dialogue.call("a", until: .seconds(1)) == nil)
        #expect(dialogue.call("b", until: .seconds(1)) != nil)
        #expect(dialogue.call("c", until: .seconds(1)) == nil)
        #expect(dialogue.endAll().count == 2)
        #expect(dialogue.call("c", until: .seconds(1)) != nil)
    }

    @Test func `a path of two kinds decides, and the header only where nothing is`() {
        var dialogue = InvokeDialogue()
        let plain = InvokeRequest(id: "1", path: "/x")
        let waits = InvokeRequest(id: "2", path: "/x", headers: [InvokeRequest.kindHeader: "bidi"])
        #expect(dialogue.receive(.request(waits), kind: .oneWay) == .perform(waits))
        #expect(dialogue.receive(.request(plain), kind: .twoWay) == .answer(plain))
        #expect(dialogue.receive(.request(plain), kind: nil) == .ignore)
        let refusal = InvokeResponse(to: "2", .notFound, message: "nothing is at /x")
        #expect(dialogue.receive(.request(waits), kind: nil) == .refuse(refusal))
    }

    @Test func `reading stops while as many requests are answered as may be`() {
        var dialogue = InvokeDialogue(mostAnswers: 2)
        for id in ["1", "2"] {
            #expect(dialogue.mayRead)
            _ = dialogue.receive(.request(InvokeRequest(id: id, path: "/x")), kind: .twoWay)
        }
        #expect(!dialogue.mayRead)
        dialogue.answered()
        #expect(dialogue.mayRead)
    }

    @Test(arguments: 1...200) func `a random dialogue loses no call and forgets what has ended`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var dialogue = InvokeDialogue(mostCalls: 40)
        var model: [(id: String, tag: InvokeDialogue.Tag, deadline: Duration)] = []
        var now = Duration.zero
        for step in 0..<400 {
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let deadline = now + .seconds(Int.random(in: 1...30, using: &random))
                let tag = dialogue.call("\(step)", until: deadline)
                #expect((tag == nil) == (model.count == 40), "seed \(seed)")
                if let tag { model.append(("\(step)", tag, deadline)) }
            case 2:
                guard let call = model.randomElement(using: &random) else { continue }
                model.removeAll { $0.tag == call.tag }
                let answer = dialogue.receive(response(call.id), kind: nil)
                #expect(answer == .finish(call.tag, InvokeResponse(to: call.id)), "seed \(seed)")
            default:
                now += .seconds(Int.random(in: 0...3, using: &random))
                let expired = model.filter { $0.deadline <= now }
                model.removeAll { $0.deadline <= now }
                #expect(Set(dialogue.expire(at: now)) == Set(expired.map(\.tag)), "seed \(seed)")
            }
            #expect(dialogue.nextDeadline() == model.map(\.deadline).min(), "seed \(seed)")
            #expect(dialogue.callCount == model.count, "seed \(seed)")
        }
    }
}
