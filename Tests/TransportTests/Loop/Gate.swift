import Glibc
import OmniwayTelemetry
import Synchronization

/// Blocks a thread on purpose, and tells when it does.
final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)
    private let entry = AsyncStream.makeStream(of: Void.self)

    func waitBlocking() {
        entry.continuation.finish()
        while !isOpen.load(ordering: .acquiring) { usleep(500) }  // Blocks its thread, and leaves others the processor.
    }
    func entered() async { for await _ in entry.stream {} }
    func open() { isOpen.store(true, ordering: .releasing) }
}
