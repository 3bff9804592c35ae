import OmniwayTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct StoreCommandTests {
    @Test func `the registry of a node is copied and put back while the node runs`() async throws {
        let node = try await WholeNode("parts: [\"tunnel\"]")
        let omniway = BuiltProduct.path("omniway")
        let (data, backup) = (node.folder.file("data"), node.folder.file("backup.db"))
        let lines = try await RunningGateway.script(
            """
            \(omniway) backup \(backup) --data \(data) && stat -c 'mode %a' \(backup)
            \(omniway) restore \(backup) --data \(data)
            \(omniway) restore \(backup) --registry \(data)/node/registry.db
            \(omniway) backup \(data)/node/registry.db --data \(data) 2>&1
            """)
        #expect(
            lines == [
                "\(data)/node/registry.db is copied to \(backup)", "mode 600",
                "\(data)/node/registry.db: 0 entries put back, 0 taken away",
                "\(data)/node/registry.db: 0 entries put back, 0 taken away",
                "omniway backup: refused: \(data)/node/registry.db is open as a registry; choose another file for the "
                    + "backup", "code 1",
            ])
        #expect(await node.program.stop() == 0)
        let absent = try await RunningGateway.script("\(omniway) backup \(backup) --data \(data)/nowhere 2>&1")
        #expect(absent.last == "code 1" && absent[0].contains("cannot open \(data)/nowhere/node/registry.db"))
    }
}
