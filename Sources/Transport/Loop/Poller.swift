import CSystem
import Glibc

/// What a descriptor is ready for, or asked to be watched for.
struct Readiness: OptionSet {
    let rawValue: UInt32
    static let read = Readiness(rawValue: EPOLLIN.rawValue)
    static let write = Readiness(rawValue: EPOLLOUT.rawValue)
    static let error = Readiness(rawValue: EPOLLERR.rawValue)
    static let hangUp = Readiness(rawValue: EPOLLHUP.rawValue)
}

/// Level-triggered epoll. The only file that knows which poller the system has.
@safe
final class Poller {
    /// In one turn. What is answered leaves at its end: with many more it would have left the caches before.
    static let maxEvents = 64
    private let epoll: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        precondition(epoll >= 0, "epoll_create1: \(SystemError.last)")
        unsafe events = .allocate(capacity: Self.maxEvents)
        unsafe events.initialize(repeating: epoll_event(), count: Self.maxEvents)
    }

    deinit {
        close(epoll)
        unsafe events.deallocate()
    }

    /// Waits until something is ready or the time is over (negative: for ever); the number of events.
    func wait(milliseconds: Int32) -> Int {
        unsafe max(0, Int(epoll_wait(epoll, events, Int32(Self.maxEvents), milliseconds)))
    }

    @inline(__always)
    func event(_ index: Int) -> (SlotID, Readiness) {
        // Safe because index < the count that wait returned.
        let event = unsafe events[index]
        return unsafe (SlotID(rawValue: event.data.u64), Readiness(rawValue: event.events))
    }

    func watch(_ descriptor: Int32, for interest: Readiness, id: SlotID) throws(SystemError) {
        try control(EPOLL_CTL_ADD, descriptor, interest, id)
    }

    func change(_ descriptor: Int32, to interest: Readiness, id: SlotID) throws(SystemError) {
        try control(EPOLL_CTL_MOD, descriptor, interest, id)
    }

    func forget(_ descriptor: Int32) {
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, _ interest: Readiness, _ id: SlotID
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        unsafe event.events = interest.rawValue
        unsafe event.data.u64 = id.rawValue
        if unsafe epoll_ctl(epoll, operation, descriptor, &event) != 0 { throw SystemError.last }
    }
}
