import ClusterSupport
import OmniwayCluster
import OmniwayTesting
import OmniwayTransport
import Testing

@testable import OmniwayApp

/// Shared groups and reliable calls in the stores that outlive a process.
@Suite(.timeLimit(.minutes(1))) struct StoredGroupTests {
    enum Kind: CaseIterable, Sendable { case sqlite, etcd }

    @Test(arguments: Kind.allCases) func `groups and calls are the same in every store`(_ kind: Kind) async throws {
        let loop = EventLoop()
        let folder = try TemporaryFolder()
        let etcd = kind == .etcd ? try await EtcdServer() : nil
        let store: RegistryStore =
            etcd.map { .etcd(EtcdSettings($0.endpoints[0])) } ?? .sqlite(folder.file("registry.db"))
        let registry = try await Registry.open(store, on: loop)
        let bus = InProcessBus()
        let diary = Diary()
        var apps: [App] = []
        for type in ["room", "worker"] {
            let app = App(type: type, id: "\(type)-1")
            app.join(registry: registry, bus: bus)
            app.remotes.on("log.note") { (note: Note, context) in
                diary.note(note.text)
                return note
            }
            if type == "worker" { app.work(on: "room.log.note", Note.self) }
            try await app.start(on: [loop])
            apps.append(app)
        }
        let (groups, other) = (apps[0].sharedGroups, apps[1].sharedGroups)
        try await groups.create("fools", life: .seconds(30))
        try await groups.add("ann", to: "fools")
        await #expect(throws: AppError.alreadyMember) { try await other.add("ann", to: "fools") }
        try await other.add("bob", to: "fools")
        #expect(try await groups.members(of: "fools") == ["ann", "bob"])
        #expect(try await other.count(of: "fools") == 2)
        try await groups.renew("fools")
        if let etcd {
            let keys = try await etcd.control("get", "--prefix", "--keys-only", "pitaya/groups/").filter { !$0.isEmpty }
            #expect(keys == ["pitaya/groups/fools", "pitaya/groups/fools/uids/ann", "pitaya/groups/fools/uids/bob"])
        }
        try await groups.delete("fools")
        #expect(try await registry.list("pitaya/groups/").entries.isEmpty)

        try await apps[0].callReliably("room.log.note", Note("one"))
        for _ in 0..<1000 {
            let isEmpty = try await registry.list("pitaya/jobs/").entries.isEmpty
            if diary.count > 0, isEmpty { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(diary.all == ["one"])
        #expect(try await registry.list("pitaya/jobs/").entries.isEmpty)
        for app in apps { await app.stop() }
        await registry.close()
        await etcd?.stop()
        await loop.shutdown()
    }
}
