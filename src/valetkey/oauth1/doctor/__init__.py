"""The doctor of OAuth 1.0a: which mistake makes a signature that the other side refuses.

    reading    an entry of a HAR file or loose fields become one signed request
    curl       so does a curl command (with shell: its quotes, curl_options: its options)
    making     how a signature comes about, in steps that can each be done wrong
    mistakes   the mistakes that are known, each with what to do about it
    diagnose   the search for the one mistake, or the two, that make exactly the signature in question
    rsa        what an RSA signature says of itself when it is opened
    body_hash  whether oauth_body_hash is that of the body
    wording    what is shown to people, without secrets

The one rule: a mistake is named only where it reproduces the other side's signature or base string to the character;
nothing is guessed, and what was tried in vain is counted and said. Everything is pure, and reads leniently what a
server would refuse, for it is broken requests that are brought here.

Not here: the command line (`cli.doctor_oauth1`), and signing itself (`oauth1.sign`), which never does any of this.
"""
