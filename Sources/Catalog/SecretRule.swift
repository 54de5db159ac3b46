/// How much of a field is secret.
public enum SecretRule: Sendable, Equatable {
  /// The whole value is sealed with the organization's key; reads never show it.
  case whole
  /// The members with these names, at any depth of the JSON value, are sealed; reads show `"********"` in their place.
  /// So are members that are named like a secret, and texts that carry one.
  case members([String])
  /// What a configuration holds of secrets is sealed, each at its place: by its name, as far as no column of data is
  /// named so, and by what a text carries.
  case configuration
  /// Texts that carry a secret are sealed, each at its place, whatever their name: for JSON whose names are those of
  /// columns.
  case texts
  /// Nothing is sealed: a text that carries a secret is refused.
  case refused
  /// A one-way hash of what can't be guessed (a key's, a link's): stored as it is, never shown.
  case hash
  /// A one-way hash of a password, which can be guessed at: sealed with the key of the person that the resource is,
  /// never shown.
  case password

  /// Whether nobody is ever shown any of the value.
  public var hidesAll: Bool {
    switch self {
    case .whole, .hash, .password: true
    case .members, .configuration, .texts, .refused: false
    }
  }
}
