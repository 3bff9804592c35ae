import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Visitors who say what they want to reach.
@Suite struct SocksForwardingTests {
    private let greeting: [UInt8] = [5, 1, 0]
    private func connect(_ place: [UInt8]) -> [UInt8] { [5, 1, 0] + place }
    private let there: [UInt8] = [1, 10, 0, 0, 5, 0, 22]

    @Test(arguments: [("socks5://127.0.0.1:1080", "127.0.0.1:1080"), ("node+socks5://:8003", "public-0:8003")])
    func `a visitor reaches what it asks for, where the target's client is`(listen: String, at: String) async throws {
        let scene = try await ForwardScene(listen, to: "")
        _ = try await scene.world.target("10.0.0.5:22")
        let nas = try await scene.world.target("nas:80")
        // All in one piece, with the first bytes for the target and the end behind it.
        let hasty = await scene.world.visitor(
            to: at, bytes: greeting + connect(there) + Array("hello".utf8), finishes: true)
        scene.advance(.seconds(1))
        #expect(await hasty.bytes == [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Array("hello".utf8))
        #expect(await hasty.closeReason == .finished)

        let named = await scene.world.visitor(to: at, bytes: greeting)
        #expect(await named.bytes == [5, 0])
        await named.write(connect([3, 3, 0x6e, 0x61, 0x73, 0, 80]))
        scene.advance(.seconds(1))
        await named.write(Array("x".utf8))
        scene.advance(.seconds(1))
        #expect(await named.bytes.dropFirst(12) == [0x78])
        #expect(await nas.run { _, nas in nas.count } == 1)
    }

    @Test func `who must say a password and says another one reaches nothing`() async throws {
        let scene = try await ForwardScene("socks5://127.0.0.1:1080", to: "") { _ in
        } rule: {
            $0.options.login = TunnelLogin(user: "me", password: "open")
        }
        let echo = try await scene.world.target("10.0.0.5:22")
        for (password, answer) in [("open", [5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ("shut", [5, 2, 1, 1])] {
            let credentials: [UInt8] = [1, 2, 0x6d, 0x65, 4] + Array(password.utf8)
            let visitor = await scene.world.visitor(
                to: "127.0.0.1:1080", bytes: [5, 2, 0, 2] + credentials + connect(there))
            scene.advance(.seconds(1))
            #expect(await visitor.bytes == answer.map { UInt8($0) })
        }
        let without = await scene.world.visitor(to: "127.0.0.1:1080", bytes: greeting)
        #expect(await without.bytes == [5, 0xff])
        #expect(await echo.run { _, echo in echo.count } == 1)
    }

    @Test func `what is not allowed, not there, or not known is answered so`() async throws {
        let scene = try await ForwardScene("socks5://127.0.0.1:1080", to: "") { _ in
        } target: {
            $0.allowTargets = ["tcp://10.0.0.0/24:22"].compactMap { TargetAllowance($0) }
        }
        let cases: [([UInt8], UInt8)] = [
            (connect([1, 10, 0, 0, 6, 0, 22]), 5), (connect([1, 10, 0, 0, 5, 0, 23]), 2),
            (connect([3, 1, 0x61, 0, 22]), 2), (connect([1, 10, 0, 0, 5, 0, 0]), 2), ([5, 2, 0] + there, 7),
            ([5, 9, 0] + there, 7), (connect([9, 1, 1]), 8),
        ]
        for (request, code) in cases {
            let visitor = await scene.world.visitor(to: "127.0.0.1:1080", bytes: greeting + request)
            scene.advance(.seconds(1))
            #expect(await visitor.bytes == [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0])
            #expect(await visitor.hasEnded)
        }
    }

    @Test func `without a list the machine itself and its cloud cannot be asked for`() async throws {
        let scene = try await ForwardScene("socks5://127.0.0.1:1080", to: "")
        let echo = try await scene.world.target("127.0.0.1:22")
        let localhost = Array("localhost".utf8)
        let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [255, 255, 127, 0, 0, 1]
        for place: [UInt8] in [
            [1, 127, 0, 0, 1, 0, 22], [1, 169, 254, 169, 254, 0, 80], [3, 9] + localhost + [0, 22],
            [4] + mapped + [0, 22], [1, 0, 0, 0, 0, 0, 22], [4] + [UInt8](repeating: 0, count: 16) + [0, 22],
        ] {
            let visitor = await scene.world.visitor(to: "127.0.0.1:1080", bytes: greeting + connect(place))
            scene.advance(.seconds(1))
            #expect(await Array(visitor.bytes.prefix(4)) == [5, 0, 5, 2])
        }
        #expect(await echo.run { _, echo in echo.count } == 0)
    }

    @Test func `who says nothing is sent away`() async throws {
        let scene = try await ForwardScene("socks5://127.0.0.1:1080", to: "")
        let visitor = await scene.world.visitor(to: "127.0.0.1:1080", bytes: greeting)
        scene.advance(.seconds(40))
        #expect(await visitor.hasEnded)
        #expect(await scene.world.nodes[0].run { _, node in node.transferCount } == 0)
    }
}
