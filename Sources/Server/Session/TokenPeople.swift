import Access
import BasicTypes
import CanonicalJSON
import Domain
import Logging
import Records
import Refusals

/// People whom an identity provider has: a token makes them here, and says what is so of them now.
extension Services {
  /// Makes the user of a token's subject where there is none, as a member of that organization; brings what the token
  /// says of one who is a member there. What hasn't changed is recorded once.
  ///
  /// An account that was made otherwise is never taken over: a token whose e-mail address or name is somebody else's
  /// is refused, until an administrator gives that account the subject as its `keycloak_id`.
  /// - Throws: ``Refusal`` `unauthenticated` where the token says too little, or what it says is somebody else's.
  func bring(_ proof: TokenVerifier.Proof, into slug: String, from peer: Peer, userAgent: String?) async throws {
    let origin = Origin(ip: peer.address, userAgent: userAgent)
    guard let organization = try engine.organization(slug: slug) else {
      throw Refusal.unavailable(
        component: "oidc", "There is no organization \(slug), whose people the identity provider has.")
    }
    let profile = proof.profile
    var fields: JSONObject = [:]
    for (name, value) in [
      ("email", profile.email), ("username", profile.username), ("first_name", profile.firstName),
      ("last_name", profile.lastName), ("display_name", profile.displayName),
    ] {
      if let value, !value.isEmpty { fields[name] = .string(value) }
    }
    let user: Identifier
    if let known = try engine.user(keycloakID: proof.subject) {
      guard try engine.isMember(known, of: organization), try engine.principal(forUser: known) != nil else { return }
      user = known
      try await command("user.edit", fields.merging(["id": .string(known.text)]), origin)
    } else {
      guard profile.email != nil else {
        throw Refusal.unauthenticated("The token is good, but has no email, without which nobody can be made here.")
      }
      let result = try await command(
        "user.create",
        fields.merging([
          "keycloak_id": .string(proof.subject), "role": "viewer", "organization_id": .string(organization.text),
          "membership_role": "member",
        ]), origin)
      guard let made = try JSON.parse(result.resultBytes)["id"]?.stringValue.flatMap({ Identifier($0) }) else {
        throw Refusal.internalError("A user who was made has no id.")
      }
      user = made
    }
    if profile.isEmailVerified { try await command("user.verify_email", ["id": .string(user.text)], origin) }
  }

  /// Gives a command as the server, because of a token.
  @discardableResult
  private func command(_ method: String, _ params: JSONObject, _ origin: Origin) async throws -> CommandResult {
    do {
      let prepared = try engine.prepare(
        method: method, params: params.merging(["reason": "as the identity provider says"]), principal: .server,
        origin: origin)
      return try await withCheckedThrowingContinuation { continuation in
        engine.submit(prepared, on: nil) { continuation.resume(with: $0) }
      }
    } catch let error as Refusal where error.code == .conflict || error.code == .invalidParams {
      // What is taken, and what doesn't fit, are for an administrator to put right; nothing of it is told a stranger.
      logger.error(
        "a token's person could not be brought", metadata: ["method": "\(method)", "error": "\(error.code.rawValue)"])
      throw Refusal.unauthenticated(
        """
        The token is good, but what it says of the person can't be taken here: the e-mail address or name is another \
        account's, or is none that this organization takes. An administrator gives that account the keycloak_id.
        """)
    }
  }
}
