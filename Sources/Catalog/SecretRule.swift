/// How much of a field is secret.
public enum SecretRule: Sendable, Equatable {
  /// The whole value is sealed with the organization's key; reads never show it.
  case whole
  /// The members with these names, at any depth of the JSON value, are sealed; reads show `"********"` in their place.
  case members([String])
  /// A one-way hash of what can't be guessed (a key's, a link's): stored as it is, never shown.
  case hash
  /// A one-way hash of a password, which can be guessed at: sealed with the key of the person that the resource is,
  /// never shown.
  case password
}
