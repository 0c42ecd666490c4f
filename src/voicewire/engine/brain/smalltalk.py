"""Greetings, thanks, who-are-you, limits: fixed answers to what people first say to a voice assistant."""

from __future__ import annotations

import re
from typing import Final

_NAME_AFTER = r"(?: (?:there|again|assistant|computer|everyone|everybody|buddy|friend|robot|you|[a-z]+))?"
_GREETING = re.compile(
    rf"(?:(?:hello|hi|hey|hiya|howdy|greetings|good (?P<part>morning|afternoon|evening|day)|morning|"
    rf"evening)(?: (?:hello|hi|hey))?{_NAME_AFTER})"
    r"(?: (?:nice|good|pleased|great) to (?:meet|see|talk to) you)?"
)
_HOW_ARE_YOU = re.compile(
    r"(?:(?:hello|hi|hey)(?: there)? )?(?:and )?(?:how are you(?: (?:doing|today|feeling))*|how is "
    r"it going|how do you do|how have you been|"
    r"what is up|what is going on|how is your day(?: going)?|are you (?:ok|okay|well|good|alright))"
)
_HELLO_ONLY = re.compile(
    r"^(?:hello|hi|hey|good (?:morning|afternoon|evening)|hiya)(?: there)?[ ,.!]+", re.IGNORECASE
)

_FIXED: Final = (
    (
        "goodbye",
        (
            r"(?:okay |ok |well |alright )*(?:good ?bye|bye|bye bye|see you(?: later| soon| tomorrow)?|"
            r"good night|take care|farewell|talk to you (?:later|soon)|so long|have a (?:good|nice|"
            r"great) (?:day|night|evening|one|weekend)|i have to go(?: now)?)(?: (?:now|then|everyone|"
            r"friend|assistant))?"
        ),
        "Goodbye! It was nice talking to you.",
    ),
    (
        "thanks",
        (
            r"(?:(?:okay|ok|great|perfect|cool|nice|good|wonderful|awesome|excellent|oh) )*(?:thanks|"
            r"thank you|thank you so much|thanks a lot|thank you very much|many thanks|cheers|i "
            r"appreciate (?:it|that)|thanks so much)(?: (?:for (?:your|the|that) ?(?:help|answer|"
            r"information|time)?|for that|for helping me|very much|a lot|again|assistant|that was "
            r"(?:great|helpful|nice)|that is (?:great|helpful|nice)))*"
        ),
        "You're welcome!",
    ),
    (
        "hearing",
        r"(?:(?:hello|hi|hey) )*(?:can you hear me(?: now| okay| well| clearly)?|do you hear me|are "
        r"you (?:still )?(?:there|listening|here|awake|on|working|ready)|is (?:anyone|anybody|"
        r"somebody) there|"
        r"(?:this is a |just (?:a )?)?(?:mic(?:rophone)? |sound )?(?:test|testing)(?: (?:test|"
        r"testing|one|two|three|1|2|3|123))*|do you understand me|is this (?:thing )?(?:on|working))",
        "Yes, I can hear you. How can I help?",
    ),
    (
        "abilities",
        (
            r"(?:what (?:else )?(?:can|could) you do(?: for me)?|what are you (?:able to do|capable of)|"
            r"what can i (?:ask|say)(?: (?:you|to you))?|(?:can you )?help(?: me)?|how can you help(?: "
            r"me)?|what do you do|what are your (?:skills|abilities|features|capabilities)|how (?:do|"
            r"can) i use you|what are you for|what can you help me with)"
        ),
        (
            "I can tell you the time and the date, do arithmetic, remember what you tell me, answer "
            "simple questions, tell a story, count, spell words, and use the tools that your program "
            "gives me."
        ),
    ),
    (
        "maker",
        (
            r"who (?:made|created|built|developed|programmed|invented) you|who is your (?:maker|creator|"
            r"developer|boss|owner)"
        ),
        "I am the demo voice of Voicewire, an open source library for voice conversations.",
    ),
    (
        "human",
        (
            r"(?:so )?are you (?:a |an )?(?:real|human|robot|machine|computer|person|ai|bot|alive|real "
            r"person|real human|human being|language model|artificial intelligence|program)(?: or (?:a |"
            r"an )?(?:human|robot|machine|real person|person|computer|bot))?"
        ),
        "I am a computer program, not a person, but I'm happy to talk.",
    ),
    (
        "age",
        r"how old are you|what is your age|when were you (?:born|made|created)|when is your birthday",
        "I am a program, so I don't have an age or a birthday.",
    ),
    (
        "place",
        r"where are you(?: from| located| now)?|where do you (?:live|come from|run)",
        "I run inside a program on a computer, with no need for the internet.",
    ),
    (
        "feelings",
        (
            r"do you (?:have feelings|feel(?: anything)?|sleep|eat|dream|get tired|like me|love me)|i "
            r"love you|will you marry me|are you (?:happy|sad|tired|hungry|bored|angry)"
        ),
        "I'm a program, so I don't feel things the way you do, but talking with you is what I'm here for.",
    ),
    (
        "praise",
        (
            r"(?:good|well done|great|nice|excellent|perfect|awesome|amazing|wonderful|fantastic|cool|"
            r"very good|very nice|great job|good job|that is (?:great|good|nice|cool|right|correct|"
            r"perfect|awesome|amazing|funny|wonderful|interesting|fantastic)|you are (?:great|good|"
            r"awesome|amazing|funny|smart|helpful|nice|the best|right|cool|very smart|very helpful)|well "
            r"done you|that was (?:great|good|fun|funny|nice|helpful|awesome)|haha|ha ha|wow|i see|"
            r"interesting)"
        ),
        "I'm glad to hear that.",
    ),
    (
        "complaint",
        (
            r"(?:you are|that is|that was) (?:wrong|not (?:right|correct|true|what i (?:said|asked|"
            r"meant))|incorrect|stupid|dumb|bad|terrible|false|a mistake)|i did not (?:say|ask|mean) "
            r"that|that is not what i (?:said|asked|meant|wanted)|you did not answer my question|no that "
            r"is wrong"
        ),
        "I'm sorry about that. Could you say it again in other words?",
    ),
    (
        "sorry",
        r"(?:oh )?(?:i am )?(?:so |very )?sorry(?: about that)?|excuse me|pardon me|my bad",
        "No problem at all.",
    ),
    (
        "yes",
        (
            r"(?:yes|yeah|yep|yup|sure|of course|okay|ok|alright|all right|fine|right|yes please|sounds "
            r"good|i do|go ahead|got it|i understand)"
        ),
        "Okay. What would you like to do?",
    ),
    (
        "no",
        (
            r"(?:no|nope|no thanks|no thank you|not really|not now|nothing|no that is all|that is all|"
            r"that is it|i am done|nothing else|that will be all|i am good|no i am good)"
        ),
        "All right. I'm here if you need me.",
    ),
    (
        "stop",
        (
            r"(?:please )?(?:stop|stop (?:it|that|talking|speaking|please|now)|be quiet|quiet|silence|"
            r"shut up|enough|that is enough|never ?mind|cancel(?: that| it)?|forget it|pause|hush|wait|"
            r"hold on|one moment|wait a (?:minute|second|moment)|just a (?:minute|second|moment)|hang on|"
            r"stop stop(?: stop)?)"
        ),
        "Okay.",
    ),
    (
        "volume",
        (
            r"(?:(?:please )?(?:speak|talk|be) (?:up|louder|more (?:loudly|quietly|slowly)|quieter|"
            r"slower|faster|softer)(?: please)?|louder|quieter|slower|faster|(?:turn|increase|decrease|"
            r"lower|raise) (?:up |down )?(?:the |your )?volume(?: up| down)?|(?:you are )?(?:too "
            r")?(?:loud|quiet|fast|slow))"
        ),
        "I can't change how I sound from here, but your device or your program can.",
    ),
    (
        "favorite",
        (
            r"what is your (?:favou?rite) [a-z ]+|do you have a favou?rite [a-z ]+|what do you like(?: "
            r"to do| most| best)?"
        ),
        "I'm a program, so I don't have favorites. What is yours?",
    ),
    (
        "well",
        (
            r"(?:i am|i am doing|doing|not|i am feeling|feeling) (?:fine|good|well|great|okay|ok|very "
            r"well|very good|alright|bad|not bad)(?: too| today| as well)?(?: thanks| thank you)?(?: "
            r"(?:and )?(?:how are|what about|how about) you)?"
        ),
        "I'm glad to hear that. How can I help you?",
    ),
    (
        "unwell",
        (
            r"i am (?:so |very |really |a bit |a little |feeling )*(?:tired|sad|unhappy|bored|lonely|"
            r"stressed|sick|ill|angry|worried|nervous|exhausted|hungry|upset|not (?:well|good|happy|"
            r"feeling well))(?: today| now)?"
        ),
        "I'm sorry to hear that. If you like, I can tell you a story or a joke.",
    ),
    (
        "bored",
        (
            r"(?:i want to|let us|can we|i would like to|would you like to|i just want to) (?:talk|chat|"
            r"have a (?:chat|conversation|talk))(?: (?:to|with) you)?(?: about something)?"
        ),
        "I'd like that. You can ask me something, tell me about yourself, or ask for a story.",
    ),
    (
        "meeting",
        r"(?:it is )?(?:nice|good|great|pleased|a pleasure|lovely) to (?:meet|see|talk to|hear) you(?: too)?",
        "It's nice to meet you too.",
    ),
)
_FIXED_COMPILED: Final = tuple((name, re.compile(pattern), reply) for name, pattern, reply in _FIXED)

_LIMITS: Final = (
    (
        "weather",
        (
            r"(?:what|how) (?:is|was|will) (?:the )?(?:weather|forecast|temperature)(?: be| like)?\b.*|"
            r"(?:will|is) it (?:going to )?(?:rain|snow|be (?:sunny|cold|hot|warm|cloudy)|raining|"
            r"snowing|cold|hot|warm|sunny|cloudy)(?:ing)?(?: outside| today| tomorrow| now| there| in .+|"
            r" this .+)?|do i need an umbrella.*|(?:what is )?the weather(?: .+)?|weather (?:in|for|"
            r"today|tomorrow).*|(?:what is|check|give me) the (?:weather|forecast).*"
        ),
        "check the weather",
    ),
    (
        "news",
        (
            r"(?:what is|what are|read|give me|any|tell me|what is in) (?:me )?(?:the )?(?:latest |"
            r"today's )?(?:news|headlines)(?: today)?.*|what is happening in the world.*|(?:the "
            r")?(?:latest )?news"
        ),
        "read the news",
    ),
    (
        "market",
        (
            r"(?:what is|how is|how much is) (?:the )?(?:price of (?:bitcoin|gold|oil|stocks?)|stock "
            r"(?:price|market)|bitcoin|exchange rate).*"
        ),
        "look up prices",
    ),
    (
        "calls",
        (
            r"(?:call|dial|phone|ring) (?!it\b|that\b|off\b)(?:my )?[\w' ]+|(?:send|write|"
            r"text) (?:an? )?(?:message|email|"
            r"text|sms|mail)(?: to)?.*"
        ),
        "make calls or send messages",
    ),
    (
        "music",
        (
            r"(?:play|put on) (?:me )?(?:some |a |the |my )?(?:[\w' ]+ )?(?:music|song|songs|playlist|"
            r"radio|album|jazz|rock|podcast|video|movie).*"
        ),
        "play music",
    ),
    (
        "home",
        (
            r"(?:turn|switch) (?:on|off) (?:the |my )?[\w' ]+|(?:turn|switch) (?:the |my )?[\w' ]+ (?:on|"
            r"off)|(?:dim|lock|unlock|open|close) (?:the |my )[\w' ]+"
        ),
        "control devices",
    ),
    (
        "web",
        (
            r"(?:search|google|look up|browse)(?! me$)(?: (?:for|the (?:web|internet)))? .+|(?:book|order|"
            r"buy|"
            r"reserve) (?:me )?(?:a|an|some|the|two|three) .+|(?:navigate|directions|give me directions|"
            r"how do i get) to .+"
        ),
        "search or book things",
    ),
)
_LIMITS_COMPILED: Final = tuple((name, re.compile(pattern), what) for name, pattern, what in _LIMITS)


def greet(core: str, hour: int, user_name: str | None) -> str | None:
    """Return a greeting, or answer "how are you"; None for anything else."""
    if _HOW_ARE_YOU.fullmatch(core):
        return "I'm doing well, thank you. How can I help you?"
    match = _GREETING.fullmatch(core)
    if match is None or re.search(r"\b(?:kitty|world|dolly|jude|news)$", core):
        return None
    part = match["part"]
    opening = f"Good {part}" if part in ("morning", "afternoon", "evening") else "Hello"
    if part == "day":
        opening = "Good morning" if hour < 12 else "Good afternoon" if hour < 18 else "Good evening"
    name = f", {user_name}" if user_name else ""
    return f"{opening}{name}! How can I help you?"


def without_greeting(raw: str) -> str:
    """``raw`` without a leading "Hello," when something follows it."""
    rest = _HELLO_ONLY.sub("", raw.strip(), count=1)
    return rest if len(rest.split()) > 1 else raw


def fixed(core: str) -> tuple[str, str] | None:
    """Skill name and reply of a stock phrase, or None."""
    for name, pattern, reply in _FIXED_COMPILED:
        if pattern.fullmatch(core):
            return name, reply
    return None


def limit(core: str) -> tuple[str, str] | None:
    """Name and honest reply for a request that needs the world outside, or None."""
    for name, pattern, what in _LIMITS_COMPILED:
        if pattern.fullmatch(core):
            return name, f"I can't {what} by myself, but your program can give me a tool for it."
    return None


_PERSONA: Final = (
    re.compile(
        r"(?:[Yy]our name is|[Yy]ou(?:'re| are) (?:called|named)|\bnamed|\bcalled|"
        r"[Nn]ame: ?)\s*[\"']?([A-Z][\w-]*)"
    ),
    re.compile(r"[Yy]ou(?:'re| are) ([A-Z][a-z]\w*)\b(?! (?:assistant|expert|speaker|teacher|agent))"),
)


def persona(instructions: str) -> str | None:
    """The name that the instructions give to the assistant ("You are Friday, ..."), or None."""
    for pattern in _PERSONA:
        match = pattern.search(instructions)
        if match:
            return match[1]
    return None


_WHO = re.compile(
    r"(?:and )?(?:who are you|who you are|what your name is|what is your name|what are you called|do "
    r"you have a name|introduce yourself|what are you|who am i (?:talking|speaking) (?:to|with)|tell "
    r"me about yourself|about yourself|your name|who is this|what should i call you|please introduce "
    r"yourself)"
)


def introduce(core: str, instructions: str) -> str | None:
    """Answer "who are you" with the name from the instructions, or as the demo voice."""
    if not _WHO.fullmatch(core):
        return None
    name = persona(instructions)
    if name:
        return f"I'm {name}, your voice assistant."
    return "I'm a small demo assistant that runs on your own computer."
