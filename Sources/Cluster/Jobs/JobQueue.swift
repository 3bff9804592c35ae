/// Where jobs wait until somebody has done them. It lives on one loop.
///
/// A job that was taken is done, tried again, or buried; one whose taker dies comes again. So each is done at least
/// once.
package protocol JobQueue: AnyObject {
    nonisolated(nonsending) func put(_ job: [UInt8], id: String) async throws
    /// The next one, or nil when there is none within about a second.
    nonisolated(nonsending) func take() async throws -> TakenJob?
    nonisolated(nonsending) func done(_ job: TakenJob) async throws
    /// It waits for some seconds, and is then another one's to take.
    nonisolated(nonsending) func again(_ job: TakenJob, as bytes: [UInt8], after seconds: Int) async throws
    /// Nobody takes it any more; it is kept for people to look at.
    nonisolated(nonsending) func bury(_ job: TakenJob, as bytes: [UInt8]) async throws
    /// The caller knows no way to be rid of it: somebody takes it once more.
    func letGo(_ job: TakenJob)
    /// Begins to take, and ends what still waits.
    func begin()
    func end()
}

package struct TakenJob: Sendable, Equatable {
    package let id: String
    package let bytes: [UInt8]

    package init(id: String, bytes: [UInt8]) { (self.id, self.bytes) = (id, bytes) }
}

/// How many jobs there may be.
package struct JobLimits: Sendable {
    package var waiting = 100_000
    /// Of those that are buried; a further one takes the place of another.
    package var buried = 10_000

    package init() {}
}

/// There are as many jobs as may be.
package struct TooManyJobs: Error, CustomStringConvertible {
    let limit: Int
    package var description: String { "\(limit) jobs wait already; are there workers? Try again later" }
}
