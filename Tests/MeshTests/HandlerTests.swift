import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

@testable import OmniwayMesh

/// An application's own handler in the place of the state machine, with data that matters.
@Suite(.timeLimit(.minutes(2))) struct HandlerTests {
    /// Gives out what it has by key, and takes what is announced.
    private struct Shelf: MessageHandler {
        let books: [String: String]
        let arrived = Notes<String>()

        func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
            let text = String(decoding: incoming.message.data, as: UTF8.self)
            switch incoming.message.operation {
            case .getRequest:
                guard let book = books[text] else { throw MeshError.unknownProtocol("no book '\(text)'") }
                return incoming.answer(.getResponse, data: Array(book.utf8))
            case .getResponse, .noticeRequest:
                arrived.add(text)
                return nil
            default: return try StandardHandler().handle(incoming)
            }
        }
    }

    @Test func `over short connections the answer carries data`() async throws {
        let mesh = MeshWorld()
        let shelf = Shelf(books: ["moby": "Call me Ishmael. <&>"])
        _ = try await mesh.peer("library", .short, at: "1:1", handler: shelf)
        let reader = try await mesh.peer("reader", .short)
        try await mesh.world.play {
            try await reader.add("library", at: "1:1")
            let answer = try await reader.dispatch(PheromoneMessage("reader", .getRequest, "moby"), to: "library")
            #expect(answer == PheromoneMessage("library", .getResponse, "Call me Ishmael. <&>"))
            let none = try await reader.dispatch(PheromoneMessage("reader", .getRequest, "ulysses"), to: "library")
            #expect(none == nil, "after an error nothing is sent")
        }
    }

    @Test func `over kept connections answers and notices reach the handler of the other side`() async throws {
        let mesh = MeshWorld()
        let (here, there) = (Shelf(books: ["a": "from here"]), Shelf(books: ["b": "from there"]))
        let library = try await mesh.peer("library", .long, at: "1:1", handler: here)
        let reader = try await mesh.peer("reader", .long, at: "1:2", handler: there)
        try await mesh.world.play {
            try await reader.add("library", at: "1:1")
            try await reader.dispatch(PheromoneMessage("reader", .getRequest, "a"), to: "library")
            try await reader.dispatch(PheromoneMessage("reader", .noticeRequest, "I have b"), to: "library")
        }
        mesh.world.advance(by: .seconds(2))
        try await mesh.world.play {
            try await library.dispatch(PheromoneMessage("library", .getRequest, "b"), to: "reader")
        }
        mesh.world.advance(by: .seconds(2))
        #expect(there.arrived.all.contains("from here"))
        #expect(here.arrived.all.contains("I have b"))
        #expect(here.arrived.all.contains("from there"))
    }

    @Test func `a handler knows where a message comes from, and by which kind of connection`() async throws {
        let mesh = MeshWorld()
        let notes = Notes<ConnectionKind>()
        struct Asking: MessageHandler {
            let notes: Notes<ConnectionKind>
            func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
                notes.add(incoming.kind)
                return incoming.origin == .none ? incoming.answer(.getResponse) : nil
            }
        }
        for kind in [ConnectionKind.long, .short] {
            let peer = try await mesh.peer("p", kind, at: "\(kind)", handler: Asking(notes: notes))
            try await mesh.world.play { _ = try await peer.handle(PheromoneMessage("q", .getRequest)) }
        }
        #expect(notes.all == [.long, .short])
        #expect(ConnectionKind.long.rawValue == 0 && ConnectionKind.short.rawValue == 1, "as the original has them")
    }
}
