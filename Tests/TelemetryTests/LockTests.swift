import OmniwayTelemetry
import Testing

struct LockTests {
    @Test func `one thread at a time changes what a lock protects`() {
        let count = Lock(0)
        onThreads(4) { _ in
            for _ in 0..<10_000 { count.withLock { $0 += 1 } }
        }
        #expect(count.withLock { $0 } == 40_000)
    }

    @Test func `an error leaves the lock open`() {
        struct Refused: Error {}
        let state = Lock(1)
        #expect(throws: Refused.self) {
            try state.withLock { (value: inout Int) throws(Refused) -> Void in
                value = 2
                throw Refused()
            }
        }
        #expect(state.withLock { $0 } == 2)
    }

    @Test func `what was locked by hand is unlocked by hand`() {
        let state = Lock("a")
        state.lock()
        state.unlock()
        #expect(state.withLock { $0 } == "a")
    }

    @Test func `a thread sleeps until another has made ready what it waits for`() {
        let turn = Lock(0)
        let changed = Condition()
        let order = Lock<[Int]>([])
        onThreads(4) { thread in
            for round in 0..<100 {
                turn.withLock(when: { $0 == round * 4 + thread }, wokenBy: changed) { _ in }
                order.withLock { $0.append(thread) }
                turn.withLock { $0 += 1 }
                changed.wakeAll()
            }
        }
        #expect(order.withLock { $0 } == (0..<400).map { $0 % 4 })
    }

    @Test func `one sleeper is woken for one thing to do`() {
        let work = Lock(0)
        let arrived = Condition()
        onThreads(4) { thread in
            for _ in 0..<1000 {
                if thread % 2 == 0 {
                    work.withLock { $0 += 1 }
                    arrived.wakeOne()
                } else {
                    work.withLock(when: { $0 > 0 }, wokenBy: arrived) { $0 -= 1 }
                }
            }
        }
        #expect(work.withLock { $0 } == 0)
    }
}
