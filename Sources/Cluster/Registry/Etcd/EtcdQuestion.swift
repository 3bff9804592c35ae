import OmniwayTransport
import OmniwayWire

/// A question to one member, without a token's renewal or another member.
private final class EtcdQuestion: HTTPResponseHandler {
    private var status = HTTPStatus.ok
    private var body: [UInt8] = []
    private let done: (Result<JSON, EtcdTrouble>) -> Void

    init(_ done: @escaping (Result<JSON, EtcdTrouble>) -> Void) { self.done = done }

    func received(_ head: HTTPResponseHead, of call: HTTPCall) { status = head.status }
    func receive(_ bytes: RawSpan, of call: HTTPCall) { body += bytes.array(0..<bytes.byteCount) }

    func ended(_ call: HTTPCall) {
        do throws(RegistryError) {
            let answer = try EtcdAnswers.read(body)
            let isGood = status == .ok && answer["error"] == nil
            done(isGood ? .success(answer) : .failure(.said(EtcdAnswers.failure(answer))))
        } catch { done(.failure(.silent("\(error)"))) }
    }

    func failed(_ call: HTTPCall, _ error: HTTPClientError) { done(.failure(.silent("\(error)"))) }
}

private enum EtcdTrouble: Error {
    case said(EtcdFailure)
    case silent(String)
}

extension EtcdMember {
    fileprivate func ask(
        _ request: EtcdRequest, _ token: String?, within limit: Duration,
        _ done: @escaping (Result<JSON, EtcdTrouble>) -> Void
    ) {
        var limits = client.limits
        limits.whole = limit
        client.send(Self.head(request, token), .bytes(request.body), limits: limits, to: EtcdQuestion(done))
    }
}

/// Shows name and password to one member after another, for a token.
final class EtcdAuthentication {
    private let request: EtcdRequest
    private let driver: EtcdDriver
    private let deadline: Moment
    private let done: (Result<String?, RegistryError>) -> Void
    private var tried: [ObjectIdentifier] = []

    init(
        _ request: EtcdRequest, _ driver: EtcdDriver, before deadline: Moment,
        _ done: @escaping (Result<String?, RegistryError>) -> Void
    ) {
        (self.request, self.driver, self.deadline, self.done) = (request, driver, deadline, done)
    }

    func begin(after words: String = "no member of etcd answers") {
        let left = deadline - driver.loop.now
        guard left > .zero, let member = driver.member(except: tried) else {
            return done(.failure(RegistryError(.unavailable, words)))
        }
        tried.append(ObjectIdentifier(member))
        let isLast = tried.count == driver.memberCount
        member.ask(request, nil, within: isLast ? left : left / 2) { [self] result in
            switch result {
            case .success(let json): done(.success(json.text("token")))
            case .failure(.said(let failure)) where failure.saysNoAuthentication: done(.success(nil))
            case .failure(.said(let failure)) where !failure.isOfMember: done(.failure(failure.error))
            case .failure(.said(let failure)):
                driver.hasFailed(member)
                begin(after: failure.message)
            case .failure(.silent(let words)):
                driver.hasFailed(member)
                begin(after: "\(member.name): \(words)")
            }
        }
    }
}

/// Asks one member whether it is alive and has its cluster behind it.
final class EtcdProbe {
    private let member: EtcdMember
    private let token: String?
    private let limit: Duration
    private let done: (RegistryError?) -> Void

    init(
        _ member: EtcdMember, _ token: String?, within limit: Duration, _ done: @escaping (RegistryError?) -> Void
    ) {
        (self.member, self.token, self.limit, self.done) = (member, token, limit, done)
    }

    func begin() {
        let question = EtcdRequest.page(
            of: .key("health-check"), from: nil, limit: 1, keysOnly: true, revision: 0)
        member.ask(question, token, within: limit) { [self] result in
            switch result {
            case .success: done(nil)
            case .failure(.said(let failure)): done(failure.isOfMember || failure.error.isTrouble ? failure.error : nil)
            case .failure(.silent(let words)): done(RegistryError(.unavailable, "\(member.name): \(words)"))
            }
        }
    }
}
