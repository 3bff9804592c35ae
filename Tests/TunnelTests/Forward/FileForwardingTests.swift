import Glibc
import OmniwayTesting
import OmniwayTransport
import OmniwayTunnel
import Testing

/// Files of the target's machine.
@Suite(.timeLimit(.minutes(1))) struct FileForwardingTests {
    private let folder: Tree

    init() throws { folder = try Tree() }

    /// A folder with a folder in it that is to be seen, and links that lead out of that.
    private final class Tree {
        private let folder: TemporaryFolder
        private static let files = [
            ("secret.txt", "secret"), ("www/digits.txt", "0123456789"), ("www/docs/index.html", "<h1>docs</h1>"),
            ("www/.env", "hidden"), ("www/large.bin", String(repeating: "x", count: 1 << 20)),
        ]
        var path: String { folder.path }
        func file(_ name: String) -> String { folder.file(name) }

        init() throws {
            folder = try TemporaryFolder()
            for name in ["www", "www/docs"] { #expect(unsafe mkdir(folder.file(name), 0o700) == 0) }
            for (name, text) in Self.files { try folder.write(name, text) }
            #expect(unsafe symlink(folder.file("secret.txt"), folder.file("www/out.txt")) == 0)
            #expect(unsafe symlink(folder.path, folder.file("www/up")) == 0)
        }

        deinit {
            for name in Self.files.map({ $0.0 }) + ["www/out.txt", "www/up"] { unsafe unlink(folder.file(name)) }
            for name in ["www/docs", "www"] { unsafe rmdir(folder.file(name)) }
        }
    }

    private func scene() async throws -> WebScene {
        let allowed = "file://\(folder.path)"
        return try await WebScene(to: "file://\(folder.file("www"))", serves: false) { _ in
        } target: {
            $0.allowTargets = [TargetAllowance(allowed)].compactMap { $0 }
        }
    }

    /// Files are read on threads of their own, so virtual time alone brings no answer.
    private func get(
        _ scene: WebScene, _ path: String, _ fields: String = "", method: String = "GET"
    ) async -> (head: String, body: String) {
        let visitor = await scene.ask("\(method) \(path) HTTP/1.1\nHost: shop.example\nConnection: close\n\(fields)\n")
        while await !visitor.hasEnded {
            scene.advance(.milliseconds(1))
            await Task.yield()
        }
        let text = await visitor.text
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]) + "\r\n", parts.count > 1 ? String(parts[1]) : "")
    }

    @Test func `a file has its type, its length and a tag`() async throws {
        let scene = try await scene()
        let whole = await get(scene, "/digits.txt?x")
        #expect(whole.head.hasPrefix("HTTP/1.1 200 "))
        #expect(whole.head.contains("Content-Type: text/plain; charset=utf-8"))
        #expect(whole.head.contains("Content-Length: 10"))
        #expect(whole.body == "0123456789")
        let tag = try #require(whole.head.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") }).dropFirst(6)
        #expect(await get(scene, "/digits.txt", "If-None-Match: \(tag)\n").head.hasPrefix("HTTP/1.1 304 "))
        #expect(await get(scene, "/digits.txt", "If-None-Match: \"x\"\n").body == "0123456789")
        let head = await get(scene, "/digits.txt", method: "HEAD")
        #expect(head.head.contains("Content-Length: 10"))
        #expect(head.body.isEmpty)
        #expect(await get(scene, "/digits.txt", method: "PUT").head.hasPrefix("HTTP/1.1 405 "))
    }

    @Test(arguments: [
        ("bytes=2-4", "206", "234"), ("bytes=7-", "206", "789"), ("bytes=-3", "206", "789"),
        ("bytes=-30", "206", "0123456789"), ("bytes=5-99", "206", "56789"), ("bytes=10-", "416", ""),
        ("bytes=-0", "416", ""), ("bytes=99999999999999999999-", "416", ""), ("bytes=4-2", "200", "0123456789"),
        ("bytes=0-1,4-5", "200", "0123456789"), ("lines=1-2", "200", "0123456789"), ("bytes=--1", "200", "0123456789"),
        ("bytes=0-18446744073709551616", "206", "0123456789"),
    ])
    func `a part of a file is what was asked for`(range: String, status: String, body: String) async throws {
        let scene = try await scene()
        let part = await get(scene, "/digits.txt", "Range: \(range)\n")
        #expect(part.head.hasPrefix("HTTP/1.1 \(status) "))
        if status != "416" { #expect(part.body == body) }
        if status == "206", body == "234" { #expect(part.head.contains("Content-Range: bytes 2-4/10")) }
        let other = await get(scene, "/digits.txt", "Range: \(range)\nIf-Range: \"other\"\n")
        #expect(other.body == "0123456789")
    }

    @Test func `a folder is its index`() async throws {
        let scene = try await scene()
        #expect(await get(scene, "/docs/").body == "<h1>docs</h1>")
        let redirect = await get(scene, "//docs?a=b")
        #expect(redirect.head.hasPrefix("HTTP/1.1 308 "))
        #expect(redirect.head.contains("Location: /docs/?a=b\r\n"))
        #expect(await get(scene, "/").head.hasPrefix("HTTP/1.1 404 "))
    }

    @Test(arguments: [
        "/../secret.txt", "/docs/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
        "/docs/%2e%2e%2f%2e%2e/secret.txt",
        "/out.txt", "/up/secret.txt", "/up", "/.env", "/%2eenv", "/digits.txt/", "/digits.txt/x", "/missing",
        "/" + String(repeating: "a/", count: 80), "/\\..\\secret.txt",
    ])
    func `nothing outside of the folder is found`(path: String) async throws {
        let scene = try await scene()
        let answer = await get(scene, path)
        #expect(answer.head.hasPrefix("HTTP/1.1 404 "))
        #expect(!answer.body.contains("secret"))
    }

    @Test func `a large file comes whole`() async throws {
        let scene = try await scene()
        let large = await get(scene, "/large.bin")
        #expect(large.body.utf8.count == 1 << 20)
        #expect(large.head.contains("Content-Type: application/octet-stream"))
    }

    @Test func `a folder of somebody else's machine must be allowed there`() async throws {
        let scene = try await WebScene(to: "file://\(folder.file("www"))", serves: false)
        #expect(await get(scene, "/digits.txt").head.hasPrefix("HTTP/1.1 502 "))
    }
}
