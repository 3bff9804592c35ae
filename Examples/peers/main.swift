// Five peers chat. One of them is gone in the middle, without a word, and the others go on. Prints what each hears.
import Omniway

/// What a peer hears, in its words.
func listen(_ peer: MeshNode, until last: String, names: [NodeID: String]) async -> [String] {
    var heard: [String] = []
    for await event in peer.events {
        guard case .broadcast(let message) = event else { continue }
        let text = String(decoding: message.bytes, as: UTF8.self)
        heard.append("\(names[message.source] ?? "somebody"): \(text)")
        if text == last { break }
    }
    return heard
}

let loops = EventLoops(count: 2)
var peers: [MeshNode] = []
var addresses: [String] = []
for (index, name) in ["ann", "ben", "cleo", "dan", "eve"].enumerated() {
    // Dan has a loop of his own: when it ends he is gone.
    let peer = await MeshNode(name, on: loops.loops[index == 3 ? 1 : 0]) { request in
        request.method == "who" ? .bytes(Array(name.utf8)) : .unknownMethod
    }
    addresses.append("\(try await peer.listenAndServe("127.0.0.1:0").address)")
    if let first = addresses.first, index > 0 { try await peer.join(first) }
    peers.append(peer)
}
let names = Dictionary(uniqueKeysWithValues: peers.map { ($0.id, $0.name) })

let others = [peers[0], peers[1], peers[2], peers[4]]
let (heard, out) = AsyncStream.makeStream(of: (String, [String]).self)
for peer in others.dropFirst() {
    Task.detached { out.yield((peer.name, await listen(peer, until: "good night", names: names))) }
}
let question = try await peers[4].request("who", to: "ann")
print("eve asks who is there: \(String(decoding: question, as: UTF8.self))")
try await peers[0].broadcast(Array("hello, everybody".utf8))
try await peers[3].send(Array("may I go?".utf8), to: "ann")
await loops.loops[1].shutdown()
try await peers[0].broadcast(Array("dan has gone".utf8))
try await peers[0].broadcast(Array("good night".utf8))
var lines: [String] = []
for await (name, texts) in heard {
    lines.append("\(name) heard \(texts.joined(separator: ", "))")
    if lines.count == 3 { break }
}
for line in lines.sorted() { print(line) }
await loops.shutdown()
