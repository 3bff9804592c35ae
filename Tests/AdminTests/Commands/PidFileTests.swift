import Glibc
import OmniwayTelemetry
import OmniwayTesting
import Testing

@testable import OmniwayAdmin

@Suite struct PidFileTests {
    private let folder: TemporaryFolder
    private let files: DaemonFiles
    init() throws {
        folder = try TemporaryFolder()
        files = try #require(DaemonFiles(name: "daemon", folder: folder.path))
    }

    @Test func `it holds the number, no more, until it is removed`() throws {
        let pid = try PidFile(files)
        #expect(try folder.read("daemon.pid") == "\(getpid())")
        pid.remove()
        #expect(throws: (any Error).self) { try folder.read("daemon.pid") }
    }

    @Test func `process 1 writes none, and removes none`() throws {
        let pid = try PidFile(files, pid: 1, log: .shared)
        #expect(throws: (any Error).self) { try folder.read("daemon.pid") }
        try folder.write("daemon.pid", "")
        pid.remove()
        #expect(try folder.read("daemon.pid").isEmpty)
    }

    @Test(arguments: ["4000000", "rubbish", "1"])
    func `one that was left behind is replaced without a word`(_ old: String) throws {
        let lines = Lines()
        try folder.write("daemon.pid", old)
        _ = try PidFile(files, pid: getpid(), log: lines.log)
        #expect(try folder.read("daemon.pid") == "\(getpid())")
        #expect(lines.all.isEmpty)
    }

    @Test func `one of the same program that runs is replaced with a warning`() throws {
        let lines = Lines()
        try folder.write("daemon.pid", "\(getpid())")
        _ = try PidFile(files, pid: getpid() + 1, log: lines.log)
        #expect(lines.all.contains { $0.contains("pid file taken over") && $0.contains("pid=\(getpid())") })
    }

    @Test func `the file of another process is not removed`() throws {
        let pid = try PidFile(files)
        try folder.write("daemon.pid", "77")
        pid.remove()
        #expect(try folder.read("daemon.pid") == "77")
    }

    @Test func `a link in its place is replaced, and what it points at stays`() throws {
        try folder.write("victim", "precious")
        #expect(unsafe symlink(folder.file("victim"), folder.file("daemon.pid")) == 0)
        _ = try PidFile(files)
        #expect(try folder.read("victim") == "precious")
        #expect(try folder.read("daemon.pid") == "\(getpid())")
    }

    @Test func `a folder that cannot be written is an error in words`() throws {
        let nowhere = try #require(DaemonFiles(name: "daemon", folder: "/no/such/folder"))
        let error = #expect(throws: DaemonFileError.self) { try PidFile(nowhere) }
        #expect("\(try #require(error))".contains("cannot write /no/such/folder/daemon.pid: no such file"))
    }

    @Test(arguments: ["", "a/b", "..", ".hidden", "line\n"])
    func `a name that is no part of a path is none`(_ name: String) {
        #expect(DaemonFiles(name: name) == nil)
    }
}
