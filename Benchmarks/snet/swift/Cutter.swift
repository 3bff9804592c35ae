import Glibc

/// A thread that cuts connections of this process, one after the other, without asking who has them.
enum Cutter {
    /// So many cuts; how many there were.
    static func cut(_ count: Int) async -> Int {
        await withCheckedContinuation { waiter in
            let thread = CutterThread(count) { waiter.resume(returning: $0) }
            thread.start()
        }
    }
}

private final class CutterThread: Sendable {
    private let count: Int
    private let done: @Sendable (Int) -> Void
    init(_ count: Int, _ done: @escaping @Sendable (Int) -> Void) { (self.count, self.done) = (count, done) }

    func start() {
        var thread = pthread_t()
        let body = unsafe Unmanaged.passRetained(self).toOpaque()
        unsafe pthread_create(
            &thread, nil,
            { body in
                guard let body = unsafe body else { return nil }
                unsafe Unmanaged<CutterThread>.fromOpaque(body).takeRetainedValue().run()
                return nil
            }, body)
        pthread_detach(thread)
    }

    private func run() {
        var cuts = 0
        while cuts < count {
            if cut(Int32.random(in: 3..<200)) { cuts += 1 }
            usleep(UInt32.random(in: 100...400))
        }
        done(cuts)
    }

    /// Ends a connection, for the one who has it and for the other side. False for what is no connection.
    private func cut(_ descriptor: Int32) -> Bool {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe getpeername(descriptor, address, &size) == 0 && shutdown(descriptor, Int32(SHUT_RDWR)) == 0
            }
        }
    }
}
