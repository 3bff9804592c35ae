import Omniway
import OmniwayTesting
import Testing

@testable import ConformanceServer
@testable import OmniwayApp

/// What a client of the original said to a server of the original, and what it heard.
private struct Conversation: Decodable {
    struct Step: Decodable, Sendable {
        let send: String
        let route: String
        let body: String
        let expect: [Heard]
    }
    struct Heard: Decodable, Sendable {
        let kind: String
        let route: String?
        let isError: Bool?
        let length: Int
        let body: String
    }
    let steps: [Step]
    let stillConnectedAtEnd: Bool
}

@Suite(.timeLimit(.minutes(2))) struct RecordedConversationTests {
    /// The one difference: JSON that is none is refused in Swift's words instead of Go's. The code is the same.
    private static let malformed = "{not json"

    @Test(arguments: [false, true]) func `the recorded conversation, through the client`(_ keepsMessages: Bool)
        async throws
    {
        let talk = try Vectors.decode(Conversation.self, from: "pitaya-conversation-standalone")
        let server = try await AppWorld(conformanceApp())
        let (dialer, loop) = (keepsMessages ? server.messages : server.streams, server.world.first)
        let (steps, heard) = (talk.steps, Notes<String>())
        try await server.world.play {
            let client = try await AppClient(
                over: dialer, on: loop,
                .with {
                    $0.handshake = Handshake(
                        platform: "go", libraryVersion: "ref", clientBuild: "1", clientVersion: "1.0.0",
                        user: ["age": 30])
                })
            for route in ["onNotify", "onPush", "onMessage", "onUser"] {
                client.on(route) { (body: [UInt8]) in heard.add("push \(route) \(Self.cut(body))") }
            }
            for step in steps {
                let before = heard.all.count
                let body = Array(step.body.utf8)
                if step.send == "notify" {
                    try await client.notify(step.route, body)
                    // Whatever a notify brings comes before the answer to the next request.
                    if step.route != "room.room.kickme" {
                        let _: [UInt8] = try await client.request("room.room.echo", [UInt8]())
                    }
                } else {
                    do {
                        let answer: [UInt8] = try await client.request(step.route, body)
                        heard.add("answer \(Self.cut(answer))")
                    } catch let error as AppError { heard.add("error \(Self.cut(error.json))") }
                }
                var expected = step.expect.map { $0.note }
                if step.body == Self.malformed { expected = ["error"] }
                let found = heard.all.dropFirst(before).map {
                    step.body == Self.malformed ? String($0.prefix(5)) : $0
                }
                #expect(found == expected, "\(step.send) \(step.route) \(step.body)")
                if step.body == Self.malformed { #expect(heard.all.last?.contains("PIT-400") == true) }
            }
            for await state in client.states { if state == .ended(.kicked) { heard.add("kicked") } }
        }
        #expect(heard.all.last == "kicked")
        #expect(!talk.stillConnectedAtEnd)
    }

    /// As the recorder wrote bodies down.
    private static func cut(_ body: [UInt8]) -> String {
        let text = String(decoding: body, as: UTF8.self)
        return "\(body.count) " + (body.count > 200 ? text.prefix(100) + "..." : text)
    }
}

extension Conversation.Heard {
    fileprivate var note: String {
        let what = kind == "push" ? "push \(route ?? "")" : isError == true ? "error" : "answer"
        return "\(what) \(length) \(body)"
    }
}
