// Two peers say hello to each other: over short connections, over a kept one, and with data. Prints every message.
import Omniway

/// Prints what comes, and answers as the protocol does.
struct Printing: MessageHandler {
    var sessionEnds: AsyncStream<Void>.Continuation?

    func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
        print(String(decoding: incoming.message.bytes, as: UTF8.self))
        if incoming.message.operation == .noticeResponse { sessionEnds?.finish() }
        return try StandardHandler().handle(incoming)
    }
}

/// Gives out books by their titles.
struct Shelf: MessageHandler {
    let books: [String: String]

    func handle(_ incoming: IncomingMessage) throws -> PheromoneMessage? {
        guard incoming.message.operation == .getRequest else { return try StandardHandler().handle(incoming) }
        let title = String(decoding: incoming.message.data, as: UTF8.self)
        return incoming.answer(.getResponse, data: Array((books[title] ?? "").utf8))
    }
}

/// Port 0 is any free one, so two peers are listening at different addresses.
func short(_ loop: EventLoop) async throws {
    let yoghurt = await MeshPeer("yoghurt", .short, on: loop, handler: Printing())
    let listening = try await yoghurt.listenAndServe("127.0.0.1:0")
    let luda = await MeshPeer("luda", .short, on: loop)
    try await luda.serve(StreamAcceptor(.loopback()), announcing: "127.0.0.1:23004")
    try await luda.add("yoghurt", at: "\(listening.address)")
    var next: PheromoneMessage? = await luda.greeting()
    while let message = next, let answer = try await luda.dispatch(message, to: "yoghurt") {
        print(String(decoding: answer.bytes, as: UTF8.self))
        next = try await luda.handle(answer)
    }
}

func long(_ loop: EventLoop) async throws {
    let yoghurt = await MeshPeer("yoghurt", .long, on: loop, handler: Printing())
    let listening = try await yoghurt.listenAndServe("127.0.0.1:0")
    let (session, sessionEnds) = AsyncStream.makeStream(of: Void.self)
    let luda = await MeshPeer("luda", .long, on: loop, handler: Printing(sessionEnds: sessionEnds))
    try await luda.serve(StreamAcceptor(.loopback()), announcing: "127.0.0.1:23004")
    try await luda.add("yoghurt", at: "\(listening.address)")
    try await luda.dispatch(await luda.greeting(), to: "yoghurt")
    for await _ in session {}
}

func books(_ loop: EventLoop) async throws {
    let library = await MeshPeer("library", .short, on: loop, handler: Shelf(books: ["moby": "Call me Ishmael."]))
    let listening = try await library.listenAndServe("127.0.0.1:0")
    let reader = await MeshPeer("reader", .short, on: loop)
    try await reader.add("library", at: "\(listening.address)")
    let question = PheromoneMessage(name: "reader", operation: .getRequest, data: Array("moby".utf8))
    let answer = try await reader.dispatch(question, to: "library")
    print(String(decoding: answer?.data ?? [], as: UTF8.self))
}

let loops = EventLoops(count: 1)
switch CommandLine.arguments.dropFirst().first {
case "short": try await short(loops.loops[0])
case "long": try await long(loops.loops[0])
default: try await books(loops.loops[0])
}
await loops.shutdown()
