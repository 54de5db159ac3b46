/// How much of a field is secret.
public enum SecretRule: Sendable, Equatable {
  /// The whole value is sealed with the organization's key; reads never show it.
  case whole
  /// The members with these names, at any depth of the JSON value, are sealed; reads show `"********"` in their place.
  case members([String])
  /// A one-way hash (a password's, a key's): stored as it is, never shown.
  case hash
}
