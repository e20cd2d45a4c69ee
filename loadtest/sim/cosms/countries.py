"""The country codes a simulated COSMS sends to (vendors.md Annex C, as printed there)."""

from __future__ import annotations

PRINTED = """
1 USA/Canada/Puerto Rico; 7 Russia/Kazakhstan; 20 Egypt; 27 South Africa; 30 Greece; 31 Netherlands; 32 Belgium;
33 France/Monaco 1; 34 Spain; 36 Hungary; 39 Italy; 40 Romania; 41 Switzerland; 43 Austria; 44 UK; 45 Denmark;
46 Sweden; 47 Norway; 48 Poland; 49 Germany; 51 Peru; 52 Mexico; 53 Cuba; 54 Argentina; 55 Brazil; 56 Chile;
58 Venezuela; 60 Malaysia; 61 Australia; 62 Indonesia; 63 Philippines; 64 New Zealand; 65 Singapore; 66 Thailand;
81 Japan; 82 South Korea; 84 Vietnam; 86 China; 90 Turkey; 91 India; 92 Pakistan; 93 Afghanistan; 94 Sri Lanka;
98 Iran; 212 Morocco; 213 Algeria; 216 Tunisia; 220 Gambia; 221 Senegal; 222 Mauritania; 223 Mali; 225 Ivory Coast;
226 Burkina Faso; 227 Niger; 228 Togo; 229 Benin; 230 Mauritius; 231 Liberia; 232 Sierra Leone; 233 Ghana;
234 Nigeria; 235 Chad; 236 Central African Republic; 237 Cameroon; 240 Equatorial Guinea; 241 Gabon; 242 Congo;
243 DR Congo; 245 Guinea; 248 Seychelles; 250 Rwanda; 251 Ethiopia; 254 Kenya; 255 Tanzania; 256 Uganda; 257 Burundi;
258 Mozambique; 260 Zambia; 261 Madagascar; 262 Réunion; 263 Zimbabwe; 264 Namibia; 265 Malawi; 266 Lesotho;
267 Botswana; 268 Swaziland; 297 Aruba; 298 Faroe Islands; 299 Greenland; 350 Gibraltar; 351 Portugal;
352 Luxembourg; 353 Ireland; 354 Iceland; 355 Albania; 356 Malta; 357 Cyprus; 358 Finland; 359 Bulgaria;
370 Lithuania; 371 Latvia; 372 Estonia; 373 Moldova; 374 Armenia/Karabakh; 375 Belarus; 376 Andorra;
377 Kosovo/Monaco 2; 380 Ukraine; 381 Yugoslavia; 385 Croatia; 386 Slovenia; 387 Bosnia and Herzegovina;
389 Macedonia; 420 Czechia; 421 Slovakia; 423 Liechtenstein; 503 El Salvador; 507 Panama; 590 French West Indies 1;
591 Bolivia; 594 French West Indies 2; 595 Paraguay; 596 French West Indies 3; 670 East Timor; 673 Brunei;
678 Vanuatu; 679 Fiji; 687 New Caledonia; 689 French Polynesia; 852 Hong Kong; 853 Macao; 855 Cambodia; 856 Laos;
880 Bangladesh; 886 Taiwan; 960 Maldives; 961 Lebanon; 962 Jordan; 963 Syria; 965 Kuwait; 966 Saudi Arabia;
967 Yemen; 968 Oman; 971 UAE; 972 Israel/Palestine; 973 Bahrain; 974 Qatar; 976 Mongolia; 977 Nepal; 992 Tajikistan;
993 Turkmenistan; 994 Azerbaijan; 995 Georgia; 996 Kyrgyzstan; 998 Uzbekistan; 1246 Barbados;
1268 Antigua and Barbuda; 1345 Cayman; 1441 Bermuda; 1473 Grenada; 1670 Saipan; 1671 Guam; 1758 St Lucia;
1784 St Vincent; 1809 Dominica
"""
COUNTRIES: dict[bytes, str] = {
    code.encode(): country for code, _, country in (entry.strip().partition(" ") for entry in PRINTED.split(";"))
}
DIGITS_MAX = max(map(len, COUNTRIES))


def country_code(number: bytes) -> bytes:
    """The longest country code this number begins with, b"" if there is none."""
    for length in range(DIGITS_MAX, 0, -1):
        if number[:length] in COUNTRIES:
            return number[:length]
    return b""
