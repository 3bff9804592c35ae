import OmniwayCluster
import OmniwayTelemetry
import OmniwayTransport
import OmniwayWire

/// What callers of the HTTP interface carry after their login: signed with a key that all nodes of the registry share,
/// so a token of one is good at every other.
final class TunnelTokens {
    enum Caller: Equatable {
        case client(id: String, tunnel: String)
        case admin
    }
    private let registry: LocalRegistry
    private let life: Duration
    private var key: WebToken.Key?
    private static let issuer = "Zhangyu Node"
    /// As the original numbers them.
    private enum LoginType { static let app = 1, client = 2 }

    init(_ registry: LocalRegistry, life: Duration) { (self.registry, self.life) = (registry, life) }

    /// The first node to need the key makes it.
    func withKey(_ done: @escaping TunnelBook.Done<WebToken.Key>) {
        if let key { return done(.success(key)) }
        let mine = RegistryBytes(Secret.text(64, of: Secret.letters))
        let transaction = RegistryTransaction(
            if: [.absent(TunnelKey.signing)], then: [.put(TunnelKey.signing, mine), .get(TunnelKey.signing)],
            else: [.get(TunnelKey.signing)])
        registry.transact(transaction) { [weak self] result in
            switch result {
            case .failure(let error): done(.failure(TunnelRefusal(error)))
            case .success(let outcome):
                let text = outcome.results.last?.entries.first?.value.text ?? ""
                guard let key = try? WebToken.Key.hs256(Array(text.utf8)) else {
                    let words = "the key for tokens in the registry is too short; delete \(TunnelKey.signing.text)"
                    return done(.failure(TunnelRefusal(.offline, words)))
                }
                self?.key = key
                done(.success(key))
            }
        }
    }

    func token(for caller: Caller, key: WebToken.Key) -> String {
        var claims: JSON.Object = [
            "iss": .string(Self.issuer), "exp": JSON(WebToken.now + Int(life.components.seconds)),
        ]
        switch caller {
        case .admin: (claims["sub"], claims["LoginType"]) = ("App Login", JSON(LoginType.app))
        case .client(let id, let tunnel):
            (claims["sub"], claims["LoginType"]) = ("Client Login", JSON(LoginType.client))
            (claims["jti"], claims["ClientId"], claims["TunnelId"]) = (.string(id), .string(id), .string(tunnel))
        }
        return WebToken.sign(claims, key: key) ?? ""  // A key of the registry is a secret, which signs.
    }

    /// Who it is, as the token says and nothing else does.
    func caller(_ token: String, key: WebToken.Key) throws(WebTokenError) -> Caller {
        let claims = try WebToken.verify(token, key: key).claims
        // One without an end would outlive every change of mind.
        guard claims["exp"] != nil, claims["iss"] == .string(Self.issuer), let type = try? claims["LoginType"]?.int()
        else { throw .malformed }
        if type == LoginType.app { return .admin }
        guard type == LoginType.client, case .string(let id)? = claims["ClientId"], id.isTunnelID,
            case .string(let tunnel)? = claims["TunnelId"], tunnel.isTunnelNumber
        else { throw .malformed }
        return .client(id: id, tunnel: tunnel)
    }
}
