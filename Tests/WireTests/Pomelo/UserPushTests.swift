import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct UserPushTests {
    @Test func `a push to many users is what it was, and cut anywhere it is that or refused`() throws {
        let push = UserPush(route: "onMessage", data: [1, 2, 3], users: ["ann", "", "bob"])
        let bytes = push.protobuf
        #expect(try UserPush(protobuf: unsafe bytes.span.bytes) == push)
        for cut in bytes.indices {
            let part = try? UserPush(protobuf: unsafe bytes.span.extracting(first: cut).bytes)
            if let part { #expect(push.users.starts(with: part.users) && part != push) }
        }
        #expect(throws: ProtobufError.self) { try UserPush(protobuf: unsafe [0x0a, 1, 0xff].span.bytes) }
    }
}
