import OmniwayTransport
import OmniwayWire

/// All keys of a prefix, page by page, at the revision of the first page.
final class EtcdList {
    private static let restarts = 3

    private let keys: RegistryKeys
    private let keysOnly: Bool
    private let driver: EtcdDriver
    private let deadline: Moment
    private let done: (Result<RegistryListing, RegistryError>) -> Void
    private var entries: [RegistryEntry] = []
    private var revision: Int64 = 0
    private var page = 1000
    private var restartsLeft = restarts

    init(
        _ keys: RegistryKeys, keysOnly: Bool, of driver: EtcdDriver, before deadline: Moment,
        _ done: @escaping (Result<RegistryListing, RegistryError>) -> Void
    ) {
        (self.keys, self.keysOnly, self.driver, self.deadline, self.done) = (keys, keysOnly, driver, deadline, done)
    }

    func begin() {
        let next = entries.last.map { $0.key + RegistryBytes([0]) }
        let request = EtcdRequest.page(of: keys, from: next, limit: page, keysOnly: keysOnly, revision: revision)
        // A long list may take its time; one page of it may not.
        let pageDeadline = min(deadline, driver.loop.now + driver.limits.deadline)
        driver.askKeys(request, before: pageDeadline) { [self] in take($0) }
    }

    private func take(_ result: Result<JSON, RegistryError>) {
        do throws(RegistryError) {
            let json = try result.get()
            if revision == 0 { revision = try EtcdAnswers.revision(json) }
            entries += try EtcdAnswers.entries(json)
            if json.flag("more"), !entries.isEmpty { return begin() }
            done(.success(RegistryListing(entries: entries, revision: revision)))
        } catch  where error.code == .tooLarge && page > 1 {
            page = max(1, page / 32)  // Few large values.
            begin()
        } catch  where error.code == .compacted && restartsLeft > 0 {
            restartsLeft -= 1
            (entries, revision) = ([], 0)
            begin()
        } catch { done(.failure(error)) }
    }
}
