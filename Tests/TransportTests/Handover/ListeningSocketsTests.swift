import Glibc
import OmniwayTelemetry
import OmniwayTesting
@testable import OmniwayTransport
import Testing

@Suite(.timeLimit(.minutes(1))) struct ListeningSocketsTests {
    @Test func `a socket is found by its name, by what was asked for, and by its address, each once`() throws {
        let sockets = ListeningSockets()
        let web = try OwnedDescriptor.listening(on: .loopback())
        let first = try OwnedDescriptor.listening(on: .loopback())
        let second = try OwnedDescriptor.listening(on: .loopback())
        let (webAddress, secondAddress) = (web.localAddress, second.localAddress)
        let firstAddress = first.localAddress
        sockets.give(web, asked: .none, name: "web", isOthers: true)
        sockets.give(first, asked: .loopback(), name: nil, isOthers: false)
        sockets.give(second, asked: .none, name: nil, isOthers: false)
        #expect(try sockets.open(.passed("web"), .stream, sharesPort: false).local == webAddress)
        #expect(throws: SystemError(number: ENOENT)) {
            try sockets.open(.passed("web"), .stream, sharesPort: false)
        }
        let again = try sockets.open(.loopback(), .stream, sharesPort: false)
        #expect(again.local == firstAddress && again.isGiven)
        let equal = try sockets.open(secondAddress, .stream, sharesPort: false)
        #expect(equal.local == secondAddress && equal.isGiven)
        let other = try sockets.open(.loopback(), .stream, sharesPort: false)
        #expect(other.local != firstAddress && !other.isGiven)
        #expect(sockets.unused.isEmpty)
        var copies: [String] = []
        sockets.forEachCopy { copy in copies.append("\(copy.asked) \(copy.name ?? "") \(copy.isOthers)") }
        #expect(copies == ["fd:web web true", "127.0.0.1:0  false", "\(secondAddress)  false", "127.0.0.1:0  false"])
    }

    @Test func `what is no socket that listens is not taken`() throws {
        let sockets = ListeningSockets()
        let pair = try OwnedDescriptor.pair()
        let far = OwnedDescriptor(pair.1)
        sockets.give(OwnedDescriptor(pair.0), asked: .loopback(), name: "pair", isOthers: false)
        let file = OwnedDescriptor(unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
        sockets.give(file, asked: .loopback(), name: nil, isOthers: false)
        #expect(sockets.unused.isEmpty)
        #expect(far.number >= 0)
    }

    @Test func `the file of a Unix socket is removed by its owner, and by nobody else`() async throws {
        let folder = try TemporaryFolder()
        let address = SocketAddress.unix(folder.file("a.sock"))
        let sockets = ListeningSockets()
        var options = SocketOptions()
        options.fileMode = 0o600
        let opened = try sockets.open(address, .stream, sharesPort: false, options)
        #expect(try Self.mode(folder.file("a.sock")) == 0o600)
        #expect(throws: SystemError(number: EADDRINUSE)) {
            try ListeningSockets().open(address, .stream, sharesPort: false)
        }
        let heir = ListeningSockets()
        sockets.forEachCopy { copy in
            let number = fcntl(copy.descriptor.number, F_DUPFD_CLOEXEC, 0)
            heir.give(OwnedDescriptor(number), asked: copy.asked, name: copy.name, isOthers: copy.isOthers)
        }
        let inherited = try heir.open(address, .stream, sharesPort: false)
        #expect(inherited.isGiven)
        await sockets.letGo()
        sockets.close(opened.descriptor)
        #expect(try Self.mode(folder.file("a.sock")) == 0o600)
        heir.close(inherited.descriptor)
        #expect(throws: SystemError.self) { try Self.mode(folder.file("a.sock")) }
    }

    private static func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw SystemError(number: errno) }
        return status.st_mode & 0o777
    }
}
