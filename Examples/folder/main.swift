// Five peers share what they have in a folder each. One asks who has what, and fetches a file by its hash, in pieces,
// from all who have it; one of them is gone meanwhile. Prints what is shared, and what was fetched.
import FoundationEssentials
import Omniway

/// A peer that gives out pieces of its files, and its list to who asks everybody.
func share(_ folder: Folder, as name: String, on loop: EventLoop) async -> MeshNode {
    let (asked, ask) = AsyncStream.makeStream(of: MeshRequest.self)
    let peer = await MeshNode(name, on: loop) { request in
        ask.yield(request)
        return .later  // Files are not read on the loop.
    }
    Task.detached { for await request in asked { await peer.answer(request, with: folder.answer(to: request)) } }
    Task.detached {
        for await event in peer.events {
            guard case .broadcast(let message) = event, message.topic == "list" else { continue }
            do { try await peer.send(folder.list, to: message.source) } catch { print("\(name): \(error)") }
        }
    }
    return peer
}

/// What each of so many peers has.
func lists(for peer: MeshNode, of count: Int) async throws -> [NodeID: [Folder.File]] {
    try await peer.broadcast([], topic: "list")
    var lists: [NodeID: [Folder.File]] = [:]
    for await event in peer.events {
        guard case .message(let bytes, let source) = event else { continue }
        lists[source] = Folder.files(in: bytes)
        if lists.count == count { break }
    }
    return lists
}

/// Each piece from the next who has the file; whoever does not answer is not asked again.
func fetch(
    _ file: Folder.File, from holders: [NodeID], by peer: MeshNode
) async throws -> (bytes: [UInt8], sources: [NodeID]) {
    var (bytes, sources, left) = ([UInt8](), [NodeID](), holders)
    while bytes.count < file.size, !left.isEmpty {
        let holder = left.removeFirst()
        do throws(MeshFailure) {
            let question = Array("\(file.hash) \(bytes.count)".utf8)
            let piece = try await peer.request("piece", question, to: holder, within: .seconds(3))
            if piece.isEmpty { continue }
            bytes += piece
            sources.append(holder)
            left.append(holder)
        } catch { continue }
    }
    guard ContentHash(of: bytes) == file.hash else { throw Unfetched(name: file.name) }
    return (bytes, sources)
}

struct Unfetched: Error { let name: String }

let root = "\(FileManager.default.temporaryDirectory.path)/omniway-folder-\(UInt64.random(in: 0 ... .max))"
let novel = String(repeating: "Call me Ishmael. ", count: 18_000)
let contents = [
    "ann": ["moby.txt": novel], "ben": ["moby.txt": novel, "ahab.txt": "Towards thee I roll"],
    "cleo": ["whale.txt": novel], "dan": ["queequeg.txt": "Better sleep with a sober cannibal"],
]
let loops = EventLoops(count: 2)
var peers: [MeshNode] = []
var first = ""
for name in ["ann", "ben", "cleo", "dan"] {
    let path = "\(root)/\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (file, text) in contents[name] ?? [:] { try Data(text.utf8).write(to: URL(filePath: "\(path)/\(file)")) }
    // Ben has a loop of his own: when it ends he is gone.
    let peer = await share(try Folder(path), as: name, on: loops.loops[name == "ben" ? 1 : 0])
    let address = "\(try await peer.listenAndServe("127.0.0.1:0").address)"
    if first.isEmpty { first = address } else { try await peer.join(first) }
    peers.append(peer)
}
let names = Dictionary(uniqueKeysWithValues: peers.map { ($0.id, $0.name) })

let eve = await MeshNode("eve", on: loops.loops[0])
try await eve.listenAndServe("127.0.0.1:0")
try await eve.join(first)
let shared = try await lists(for: eve, of: 4)
for peer in peers {
    for file in shared[peer.id] ?? [] { print("\(peer.name) shares \(file.name), \(file.size) bytes") }
}
await loops.loops[1].shutdown()
if let wanted = shared[peers[0].id]?.first {
    // The same bytes, whatever they are called.
    let holders = peers.map(\.id).filter { id in shared[id]?.contains { $0.hash == wanted.hash } == true }
    let (bytes, sources) = try await fetch(wanted, from: holders, by: eve)
    try FileManager.default.createDirectory(atPath: "\(root)/eve", withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(filePath: "\(root)/eve/\(wanted.name)"))
    let from = Set(sources.compactMap { names[$0] }).sorted().joined(separator: " and ")
    print("eve has \(wanted.name), \(bytes.count) bytes in \(sources.count) pieces from \(from)")
}
try FileManager.default.removeItem(atPath: root)
await loops.shutdown()
