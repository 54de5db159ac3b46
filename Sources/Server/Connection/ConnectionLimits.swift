/// What one connection may take of the server at once. The machine is given these as values, so a test can make them
/// tiny.
struct ConnectionLimits: Sendable, Hashable {
  /// What depends on whether a connection speaks for somebody.
  struct Share: Sendable, Hashable {
    /// The longest line that is taken, in bytes.
    var line: Int
    /// How many queries run at once; more wait their turn.
    var queries: Int
    /// How many bytes of answers may be held for batches that aren't answered yet. A call that would add to its own
    /// batch beyond that is refused.
    var heldAnswers: Int
  }

  /// The share of a connection that speaks for somebody.
  var signedIn: Share
  /// The share of one that doesn't: what a stranger can make the server hold.
  var unsigned: Share
  /// How many calls may be begun and not answered.
  var inFlight: Int
  /// How many subscriptions there may be.
  var subscriptions: Int
  /// Whether the connection must sign in within a given time, however much it says meanwhile.
  var hasSignInDeadline: Bool
}

extension ConnectionLimits {
  /// The limits of a connection: the local peer of the Unix socket is no stranger, even where its session has ended.
  init(_ configuration: ServerConfiguration, isLocal: Bool) {
    let signedIn = Share(
      line: configuration.maximumLine, queries: 32, heldAnswers: configuration.maximumHeldAnswers)
    let unsigned = Share(
      line: min(signedIn.line, configuration.maximumUnsignedLine), queries: 2,
      heldAnswers: min(signedIn.heldAnswers, 1 << 20))
    self.init(
      signedIn: signedIn, unsigned: isLocal ? signedIn : unsigned, inFlight: configuration.maximumInFlight,
      subscriptions: 64, hasSignInDeadline: !isLocal)
  }
}
