import CSystem

/// The threads that Omniway has started and that live: what each is for, and who started it.
package final class ThreadRegister: Sendable {
    package static let shared = ThreadRegister()

    package struct Entry: Sendable {
        package let name: String
        package let purpose: String
        package let started: Timestamp
        /// The name of the thread that started it.
        package let starter: String
        /// Where that thread was, as return addresses, the innermost call first.
        package let calls: [UInt]

        init(name: String, purpose: String) {
            (self.name, self.purpose, started) = (name, purpose, .now())
            (starter, calls) = (ThreadRegister.currentName, ThreadRegister.currentCalls)
        }
    }

    private let entries = Lock<[Int32: Entry]>([:])

    /// What is known, by the system's numbers of the threads.
    package var all: [Int32: Entry] { entries.withLock { $0 } }

    func add(_ entry: Entry) { entries.withLock { $0[csystem_thread_id()] = entry } }
    func removeCurrent() { entries.withLock { $0[csystem_thread_id()] = nil } }

    private static var currentName: String {
        var name = [CChar](repeating: 0, count: 16)
        unsafe csystem_thread_name(&name)  // Safe because it writes 16 letters at most, the last one a zero.
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static var currentCalls: [UInt] {
        var calls = [UInt](repeating: 0, count: 24)
        let count = unsafe csystem_calls(&calls, Int32(calls.count))  // Safe because it is told how many fit.
        return Array(calls.prefix(Int(count)))
    }
}
