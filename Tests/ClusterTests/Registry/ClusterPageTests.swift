import FoundationEssentials
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import Testing

// What docs/cluster.md shows, word for word.

func announce(_ id: String, on loop: EventLoop) async throws -> Registry {
    let registry = try await Registry.open(.sqlite("registry.db"), on: loop)
    let lease = try await registry.lease(ttl: .seconds(10)) { event in print("lease: \(event)") }
    try await registry.put("servers/room/\(id)", "{}", lease: lease)  // Gone when this process is.
    for entry in try await registry.list("servers/room/").entries { print(entry.key, entry.value) }
    return registry
}

func take(_ domain: String, for owner: String, in registry: Registry) async throws -> Bool {
    let take = RegistryTransaction(
        if: [.absent("domains/\(domain)")],
        then: [.put("domains/\(domain)", RegistryBytes(owner)), .put("owners/\(owner)/\(domain)", "")],
        else: [.get("domains/\(domain)")])
    return try await registry.transact(take).succeeded
}

final class Rooms {
    private let mirror: RegistryMirror

    init(_ registry: Registry, on loop: Loop) {
        mirror = RegistryMirror(registry.on(loop), prefix: "servers/room/") { change in
            print(change.entry == nil ? "left" : change.previous == nil ? "joined" : "changed", change.key)
        }
    }

    var count: Int { mirror.count }
}

func cluster(_ password: Secret) -> RegistryStore {
    .etcd(
        EtcdSettings(
            "https://10.0.0.1:2379", "https://10.0.0.2:2379", user: "omniway", password: password,
            trust: .roots(files: "/etc/etcd/ca.pem")))
}

func twoNodes(on loop: EventLoop) async throws -> [Registry] {
    let store = await loop.own { MemoryStore(on: $0) }
    let here = try await Registry.open(.memory(store), on: loop)
    let there = try await Registry.open(.memory(store), on: loop)
    here.simulateOutage(true)
    return [here, there]
}

@Suite struct ClusterPageTests {
    @Test func `every block of the page is compiled, here, with the bus or in the example`() throws {
        let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        let root = folders.dropLast(4).joined(separator: "/")
        let page = try String(contentsOfFile: root + "/docs/cluster.md", encoding: .utf8)
        let file = try [
            "Tests/ClusterTests/Registry/ClusterPageTests.swift", "Tests/ClusterTests/Bus/BusGuideTests.swift",
            "Examples/cluster/Cluster.swift", "Examples/actors/Room.swift", "Examples/actors/Main.swift",
        ].map { try String(contentsOfFile: "\(root)/\($0)", encoding: .utf8) }.joined()
        let blocks = page.split(separator: "```swift\n").dropFirst().compactMap { $0.split(separator: "```").first }
        #expect(blocks.count > 3)
        for block in blocks { #expect(file.contains(block), "the page shows\n\(block)") }
    }

    @Test func `a domain is taken once`() async throws {
        let loop = EventLoop()
        let registry = try await Registry.open(.memory, on: loop)
        #expect(try await take("a.example", for: "ann", in: registry))
        #expect(try await !take("a.example", for: "bob", in: registry))
        #expect(try await registry.list("").entries.map(\.key.text) == ["domains/a.example", "owners/ann/a.example"])
        let rooms = await loop.own { Rooms(registry, on: $0) }
        #expect(await rooms.run { _, rooms in rooms.count } == 0)
        await registry.close()
        await loop.shutdown()
    }

    @Test func `the node that is cut off does not reach the store, the other does`() async throws {
        let loop = EventLoop()
        let nodes = try await twoNodes(on: loop)
        #expect(await code { () throws(RegistryError) in try await nodes[0].put("k", "") } == .unavailable)
        try await nodes[1].put("k", "")
        for node in nodes { await node.close() }
        await loop.shutdown()
    }
}
